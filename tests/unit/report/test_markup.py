"""Whatever a manifest or a trial says, it stays text."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning_operator.report import markup
from tuning_operator.report.markup import tag

# What XML cannot carry at all is no matter of escaping; a parser also turns a carriage return into a newline.
TEXT = st.text(st.characters(min_codepoint=0x20, exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"))


@given(text=TEXT, value=TEXT)
def test_text_and_attributes_come_out_as_they_went_in(text: str, value: str) -> None:
    element = ElementTree.fromstring(tag("p", text, tag("b", "x"), title=value))
    assert (element.text or "", element.get("title")) == (text, value)
    assert [child.tag for child in element] == ["b"]


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (tag("td", class_="n", data_t=3, hidden=None, open=False), '<td class="n" data-t="3"></td>'),
        (tag("option", "a", selected=True), "<option selected>a</option>"),
        (tag("line", x1=0.5, y1=12.3456), '<line x1="0.5" y1="12.35"/>'),
        (tag("p", ["a", None, ["<", tag("br")]]), "<p>a&lt;<br/></p>"),
        (tag("meta", name="viewport"), '<meta name="viewport"/>'),
    ],
    ids=["attributes", "flag", "coordinates", "children", "an-attribute-called-name"],
)
def test_markup_is_as_short_as_can_be(made: markup.Markup, wanted: str) -> None:
    assert made == wanted


@pytest.mark.parametrize(("value", "wanted"), [(0.0, "0"), (-0.001, "0"), (100.0, "100"), (1.005, "1")])
def test_coordinates_have_no_needless_digits(value: float, wanted: str) -> None:
    assert markup.number(value).removeprefix("-") == wanted
