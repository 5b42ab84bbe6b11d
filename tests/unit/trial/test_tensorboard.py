"""Event files as TensorFlow, PyTorch and others write them, whole, cut, corrupt, and still growing."""

from __future__ import annotations

import os
import pathlib
import struct

import hypothesis
import pytest
from hypothesis import strategies as st

from tuning_trial import tensorboard
from tuning_trial.lines import ConfigurationError
from tuning_trial.tensorboard import Events

FILE = "events.out.tfevents.1700000000.host"


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def simple(tag: str, value: float) -> bytes:
    """As PyTorch's SummaryWriter writes a scalar."""
    return field(1, field(1, tag.encode()) + varint(2 << 3 | 5) + struct.pack("<f", value))


def tensor(tag: str, dtype: int, content: bytes, shape: bytes = b"") -> bytes:
    """As TensorFlow 2 and Keras write one."""
    inner = varint(1 << 3) + varint(dtype) + field(2, shape) + content
    return field(1, field(1, tag.encode()) + field(8, inner))


def event(step: int, *values: bytes, wall_time: float = 1700000000.0) -> bytes:
    body = varint(1 << 3 | 1) + struct.pack("<d", wall_time) + varint(2 << 3) + varint(step)
    return body + field(5, b"".join(values))


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    checks = [struct.pack("<I", tensorboard._masked_crc(part)) for part in (length, data)]
    return length + checks[0] + data + checks[1]


def scalars(*values: float, tag: str = "loss", start: int = 1) -> bytes:
    return b"".join(record(event(step, simple(tag, value))) for step, value in enumerate(values, start))


def collect(folder: pathlib.Path) -> Events:
    events = Events(str(folder), ["loss"])
    events.finish()
    return events


def test_scalars_are_found_with_their_steps_and_times(tmp_path: pathlib.Path) -> None:
    (tmp_path / FILE).write_bytes(record(event(0, field(3, b"brain.Event:2"))) + scalars(0.5, 0.25))
    events = collect(tmp_path)
    assert [(row.step, row.time, row.values) for row in events.observations()] == [
        (1, 1700000000.0, {"loss": 0.5}),
        (2, 1700000000.0, {"loss": 0.25}),
    ]
    assert events.summary().problem == ""
    assert events.summary().curves["loss"].values == (0.5, 0.25)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(tensor("loss", 1, field(4, struct.pack("<f", 0.5))), id="float content"),
        pytest.param(tensor("loss", 2, field(4, struct.pack("<d", 0.5))), id="double content"),
        pytest.param(tensor("loss", 19, field(4, struct.pack("<e", 0.5))), id="half content"),
        pytest.param(tensor("loss", 1, field(5, struct.pack("<f", 0.5))), id="float values"),
        pytest.param(tensor("loss", 1, varint(5 << 3 | 5) + struct.pack("<f", 0.5)), id="float values, not packed"),
        pytest.param(tensor("loss", 2, field(6, struct.pack("<d", 0.5))), id="double values"),
        pytest.param(tensor("loss", 1, field(5, struct.pack("<f", 0.5)), field(2, b"\x08\x01")), id="shape of one"),
    ],
)
def test_a_scalar_may_be_a_tensor(tmp_path: pathlib.Path, value: bytes) -> None:
    (tmp_path / FILE).write_bytes(record(event(3, value)))
    assert [(row.step, row.values) for row in collect(tmp_path).observations()] == [(3, {"loss": 0.5})]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(tensor("loss", 1, field(4, struct.pack("<ff", 1, 2)), field(2, b"\x08\x02")), id="vector"),
        pytest.param(tensor("loss", 7, field(8, b"text")), id="text"),
        pytest.param(field(1, field(1, b"loss") + field(4, b"png")), id="image"),
    ],
)
def test_what_is_no_scalar_is_passed_over(tmp_path: pathlib.Path, value: bytes) -> None:
    (tmp_path / FILE).write_bytes(record(event(1, value)) + scalars(1.0, start=2))
    events = collect(tmp_path)
    assert [row.step for row in events.observations()] == [2]
    assert events.summary().bad_lines == 0


def test_runs_give_their_names_to_their_metrics(tmp_path: pathlib.Path) -> None:
    for run in ("train", "validation"):
        (tmp_path / run).mkdir()
        (tmp_path / run / f"{FILE}.v2").write_bytes(scalars(1.0, tag="epoch_loss"))
    assert sorted(collect(tmp_path).summary().metrics) == ["train/epoch_loss", "validation/epoch_loss"]


def test_a_long_record_is_passed_over_and_what_follows_is_read(tmp_path: pathlib.Path) -> None:
    image = record(event(1, field(1, field(1, b"image") + field(4, b"x" * (2 * tensorboard.MAX_RECORD)))))
    (tmp_path / FILE).write_bytes(image + scalars(1.0))
    assert collect(tmp_path).rows == 1


def test_a_record_with_a_wrong_checksum_is_passed_over_and_counted(tmp_path: pathlib.Path) -> None:
    broken = bytearray(scalars(1.0))
    broken[-6] ^= 255
    (tmp_path / FILE).write_bytes(scalars(3.0) + broken + scalars(2.0, start=3))
    events = collect(tmp_path)
    assert [row.values["loss"] for row in events.observations()] == [3.0, 2.0]
    assert events.summary().bad_lines == 1


def test_after_a_corrupt_length_the_rest_of_a_file_is_given_up_and_other_files_are_read(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / FILE).write_bytes(scalars(3.0) + b"\xff" * 50 + scalars(2.0))
    (tmp_path / f"{FILE}.2").write_bytes(scalars(1.0, tag="accuracy"))
    summary = collect(tmp_path).summary()
    assert {name: metric.count for name, metric in summary.metrics.items()} == {"loss": 1, "accuracy": 1}
    assert summary.bad_lines == 1


@pytest.mark.parametrize(
    "data", [b"\xff" * 100, b"not an event file at all", os.urandom(4096)], ids=["ones", "text", "noise"]
)
def test_a_file_that_is_none_is_the_reason_why_there_are_no_metrics(tmp_path: pathlib.Path, data: bytes) -> None:
    (tmp_path / FILE).write_bytes(data)
    assert f"byte 0 of {FILE}, from which on the file is corrupt" in collect(tmp_path).summary().problem


def test_a_record_that_was_cut_off_is_counted_at_the_end_only(tmp_path: pathlib.Path) -> None:
    (tmp_path / FILE).write_bytes(scalars(1.0) + scalars(2.0)[:-3])
    events = Events(str(tmp_path), ["loss"])
    while events.poll():
        pass
    assert events.summary().bad_lines == 0
    events.finish()
    assert (events.rows, events.summary().bad_lines) == (1, 1)


def test_no_files_are_a_reason(tmp_path: pathlib.Path) -> None:
    assert "let the trial write them to TUNING_TENSORBOARD_DIR" in collect(tmp_path / "tb").summary().problem


def test_links_are_not_followed(tmp_path: pathlib.Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / FILE).write_bytes(scalars(1.0))
    folder = tmp_path / "tb"
    folder.mkdir()
    (folder / FILE).symlink_to(secret / FILE)
    (folder / "run").symlink_to(secret)
    assert collect(folder).rows == 0


def test_a_folder_outside_the_root_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigurationError):
        Events(f"{tmp_path}/../x", root=str(tmp_path))


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], max_examples=30)
@hypothesis.given(cuts=st.lists(st.integers(1, 60), min_size=1), size=st.integers(1, 40))
def test_how_a_file_grows_does_not_matter(tmp_path_factory: pytest.TempPathFactory, cuts: list[int], size: int) -> None:
    folder = tmp_path_factory.mktemp("tb")
    data = scalars(*range(20))
    events = Events(str(folder), ["loss"])
    with (folder / FILE).open("wb", buffering=0) as file:
        start = 0
        while start < len(data):
            for cut in cuts:
                file.write(data[start : start + cut])
                start += cut
                events.poll(size)
    events.finish()
    assert [row.values["loss"] for row in events.observations()] == list(range(20))


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], max_examples=50)
@hypothesis.given(st.binary(max_size=300))
def test_any_bytes_end_in_a_summary(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("tb")
    (folder / FILE).write_bytes(record(data) + data)
    collect(folder).summary().to_message()
