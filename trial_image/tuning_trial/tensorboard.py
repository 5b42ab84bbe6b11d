"""Scalars in TensorBoard's event files, read while they are written.

TensorBoard's own reader brings TensorFlow's stand-in, NumPy and some 60 MiB with it, more than most trials' sidecars
may use. The files are simple: records with checksums, each of them one protocol buffer, of which a few fields matter
here. Both the checksums and the buffers are left to libraries.

From tensorflow/core/lib/io/record_writer.h (a record is its length, the length's checksum, the data, the data's
checksum) and tensorflow/core/{util/event,framework/summary,framework/tensor}.proto.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from tuning_trial.lines import ConfigurationError, Row
from tuning_trial.record import Observation, Record
from tuning_trial.source import Source, escapes
from tuning_trial.summary import Summary

MARK = "tfevents"
"""What the name of every event file holds."""
MAX_FILES = 64
MAX_DEPTH = 4
MAX_RECORD = 1024 * 1024
"""The longest record that is looked at, in bytes; images and histograms may be longer, and are passed over."""
CHUNK = 256 * 1024
FINISH_BYTES = 1024 * 1024 * 1024

HEADER = struct.Struct("<QI")
CHECKSUM = struct.Struct("<I")
SCALARS = {1: "<f", 2: "<d", 3: "<i", 9: "<q", 19: "<e"}
"""How the content of a tensor with one element is read, by the tensor's type."""


class Events:
    """Follows all event files below a folder; each folder inside it is a run, whose name stands before its metrics'."""

    def __init__(self, folder: str, objectives: Sequence[str] = (), root: str = "") -> None:
        """No link below `root`, by default the folder itself, is followed. Raises ConfigurationError."""
        if escapes(folder, root or folder):
            raise ConfigurationError(f"the folder {folder} does not lie in {root}; write a path below it without '..'")
        self._folder = folder
        self._root = root or folder
        self._record = Record(objectives)
        self._streams: dict[str, Stream] = {}
        self._event = _event_class()
        self._finished = False

    @property
    def rows(self) -> int:
        """How many rows there are so far."""
        return self._record.rows

    def poll(self, budget_bytes: int = CHUNK) -> bool:
        """Read what was appended, at most `budget_bytes` of it. Says whether there was any: if so, more may wait."""
        if self._finished:
            return False
        self._discover()
        progress = False
        for stream in self._streams.values():
            data = stream.read(min(CHUNK, budget_bytes))
            budget_bytes -= len(data)
            if data:
                progress = True
                self._take(stream, data)
            if budget_bytes <= 0:
                break
        # The one that was read first is the last one the next time, so that none has to wait for ever.
        self._streams = dict([*list(self._streams.items())[1:], *list(self._streams.items())[:1]])
        return progress

    def finish(self, budget_bytes: int = FINISH_BYTES) -> None:
        """Read to the end, as nothing more will be written."""
        while not self._finished and budget_bytes > 0 and self.poll(min(budget_bytes, CHUNK)):
            budget_bytes -= CHUNK
        if not self._finished:
            for stream in self._streams.values():
                if stream.pending:
                    self._record.bad(f"the last record of {stream.name}, which was cut off")
                stream.source.close()
        self._finished = True

    def summary(self) -> Summary:
        """The curves so far, the objectives first."""
        if not self._streams:
            trouble = (
                f"no event files were written below {self._folder}; let the trial write them to TUNING_TENSORBOARD_DIR"
            )
        else:
            trouble = next((each.source.problem for each in self._streams.values() if each.source.problem), "")
        return self._record.summary("the event files", trouble)

    def observations(self, after: int = 0, limit: int = 1000) -> list[Observation]:
        """Up to `limit` rows whose ids are greater than `after`; see `Record.observations`."""
        return self._record.observations(after, limit)

    def _discover(self) -> None:
        for run, name in sorted(_files(self._folder, "", MAX_DEPTH)):
            if run + name not in self._streams and len(self._streams) < MAX_FILES:
                self._streams[run + name] = Stream(Source(f"{self._folder}/{run}{name}", self._root), run, name)

    def _take(self, stream: Stream, data: bytes) -> None:
        for payload in stream.payloads(data, self._record):
            row = self._row(payload, stream)
            if row is not None:
                self._record.add(row)

    def _row(self, payload: bytes, stream: Stream) -> Row | None:
        from google.protobuf import message

        event = self._event()
        try:
            event.ParseFromString(payload)
        except message.DecodeError:
            self._record.bad(f"a record of {stream.name}, which is no event")
            return None
        values = {
            f"{stream.run}{item.tag}": value for item in event.summary.value if (value := _scalar(item)) is not None
        }
        return Row(float(event.step), event.wall_time, values) if values else None


class Stream:
    """One event file: bytes as they come, cut into records."""

    def __init__(self, source: Source, run: str, name: str) -> None:
        self.source = source
        self.run = run
        self.name = name
        self._buffer = bytearray()
        self._skip = 0
        self._position = 0
        self._corrupt = False

    @property
    def pending(self) -> bool:
        """Whether the beginning of a record has come, and not its end."""
        return bool(self._buffer or self._skip)

    def read(self, size: int) -> bytes:
        """More bytes; none once the file has turned out to be corrupt."""
        data = b"" if self._corrupt else self.source.read(size)
        if data is None:
            # Truncated or replaced: what is read next begins with a record.
            self._buffer.clear()
            self._skip = self._position = 0
        return data or b""

    def payloads(self, data: bytes, record: Record) -> Iterator[bytes]:
        """The data of whole records. After a length that is wrong nothing can be found any more."""
        self._buffer += data
        while True:
            passed = min(self._skip, len(self._buffer))
            del self._buffer[:passed]
            self._skip -= passed
            self._position += passed
            if self._skip or len(self._buffer) < HEADER.size:
                return
            length, checksum = HEADER.unpack_from(self._buffer)
            if _masked_crc(self._buffer[:8]) != checksum:
                record.bad(f"byte {self._position} of {self.name}, from which on the file is corrupt")
                self._buffer.clear()
                self._corrupt = True
                return
            whole = HEADER.size + length + CHECKSUM.size
            if length > MAX_RECORD:
                self._skip = whole
                continue
            if len(self._buffer) < whole:
                return
            payload = bytes(self._buffer[HEADER.size : HEADER.size + length])
            (checksum,) = CHECKSUM.unpack_from(self._buffer, HEADER.size + length)
            if _masked_crc(payload) == checksum:
                yield payload
            else:
                record.bad(f"the record at byte {self._position} of {self.name}, whose checksum is wrong")
            del self._buffer[:whole]
            self._position += whole


def _files(folder: str, run: str, depth: int) -> Iterator[tuple[str, str]]:
    """Run and name of each event file; links are passed over."""
    try:
        with os.scandir(f"{folder}/{run}") as entries:
            found = list(entries)
    except OSError:
        return
    for entry in found:
        if entry.is_dir(follow_symlinks=False) and depth > 1:
            yield from _files(folder, f"{run}{entry.name}/", depth - 1)
        elif MARK in entry.name and entry.is_file(follow_symlinks=False):
            yield run, entry.name


def _masked_crc(data: bytes | bytearray) -> int:
    import crc32c

    crc = crc32c.crc32c(bytes(data))
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _scalar(value: Any) -> float | None:
    """The number that a summary's value is; None for images, histograms and the like."""
    if value.HasField("simple_value"):
        return float(value.simple_value)
    tensor = value.tensor
    if any(dimension.size != 1 for dimension in tensor.tensor_shape.dim):
        return None
    for field in (tensor.float_val, tensor.double_val, tensor.int_val, tensor.int64_val):
        if len(field) == 1:
            return float(field[0])
    layout = SCALARS.get(tensor.dtype)
    if layout is None or len(tensor.tensor_content) != struct.calcsize(layout):
        return None
    return float(struct.unpack(layout, tensor.tensor_content)[0])


def _event_class() -> Any:
    """The class of TensorFlow's Event, with the fields that matter here; others are passed over."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    one, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    messages: dict[str, list[tuple[str, int, int, int, str]]] = {
        "Event": [
            ("wall_time", 1, field.TYPE_DOUBLE, one, ""),
            ("step", 2, field.TYPE_INT64, one, ""),
            ("summary", 5, field.TYPE_MESSAGE, one, "Summary"),
        ],
        "Summary": [("value", 1, field.TYPE_MESSAGE, many, "Value")],
        "Value": [
            ("tag", 1, field.TYPE_STRING, one, ""),
            ("simple_value", 2, field.TYPE_FLOAT, one, ""),
            ("tensor", 8, field.TYPE_MESSAGE, one, "Tensor"),
        ],
        "Tensor": [
            ("dtype", 1, field.TYPE_INT32, one, ""),
            ("tensor_shape", 2, field.TYPE_MESSAGE, one, "Shape"),
            ("tensor_content", 4, field.TYPE_BYTES, one, ""),
            ("float_val", 5, field.TYPE_FLOAT, many, ""),
            ("double_val", 6, field.TYPE_DOUBLE, many, ""),
            ("int_val", 7, field.TYPE_INT32, many, ""),
            ("int64_val", 10, field.TYPE_INT64, many, ""),
        ],
        "Shape": [("dim", 2, field.TYPE_MESSAGE, many, "Dimension")],
        "Dimension": [("size", 1, field.TYPE_INT64, one, "")],
    }
    file = descriptor_pb2.FileDescriptorProto(name="tuning_trial/event.proto", package="tuning_trial", syntax="proto2")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for label, number, kind, times, of in fields:
            reference = {"type_name": f".tuning_trial.{of}"} if of else {}
            message.field.add(name=label, number=number, type=kind, label=times, **reference)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tuning_trial.Event"))
