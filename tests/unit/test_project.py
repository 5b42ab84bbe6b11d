"""What holds for the project as a whole."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tomllib

import pytest
import yaml

from tuning_operator.tuner import admission

ROOT = pathlib.Path(__file__).parents[2]
MODULES = [
    path
    for folder in ("operator", "trial_image/tuning_trial", "benchmarks", "charts")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "build" not in path.parts
]
LONGEST = 400
LONGER = {"operator/tuning_operator/api/job.py": 450}
"""One module says all that a job can be: half of it is the documentation of its fields."""


def test_the_operator_folder_is_no_package() -> None:
    """It would shadow the standard library's `operator` for whoever runs Python in the repository's root."""
    assert not (ROOT / "operator" / "__init__.py").exists()
    program = "import operator; print(operator.add(1, 2))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True).stdout == b"3\n"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_short_and_say_why_they_exist(path: pathlib.Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LONGER.get(str(path.relative_to(ROOT)), LONGEST)
    assert not text or text.lstrip("r").startswith('"""')


def test_the_reporter_depends_on_nothing() -> None:
    project = tomllib.loads((ROOT / "trial_image" / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/job.yaml")), ids=lambda path: path.parent.name)
def test_examples_are_admitted(path: pathlib.Path) -> None:
    assert admission.admit(yaml.safe_load(path.read_text())).metadata.name


def test_the_readme_shows_the_example_as_it_is() -> None:
    shown = (ROOT / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    example = yaml.safe_load((ROOT / "examples" / "digits-svm" / "job.yaml").read_text())
    assert yaml.safe_load(shown)["spec"]["parameters"] == example["spec"]["parameters"]
    assert yaml.safe_load(shown)["spec"]["limits"] == example["spec"]["limits"]
