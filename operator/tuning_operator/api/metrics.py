"""Where a trial's observations come from, as a user writes it."""

from __future__ import annotations

import enum
from typing import Annotated

import pydantic

from tuning_operator.api import base


class MetricsSource(enum.StrEnum):
    """Where a trial's observations come from."""

    FILE = "file"
    STDOUT = "stdout"
    TENSORBOARD = "tensorboard"
    PROMETHEUS = "prometheus"


class MetricsFormat(enum.StrEnum):
    """How the lines of a metrics file are written."""

    JSON = "json"
    TEXT = "text"


class Endpoint(base.Model):
    """An HTTP endpoint of the trial's own, on its loopback address."""

    port: Annotated[int, pydantic.Field(ge=1, le=65535)]
    """The port, which the trial finds in TUNING_METRICS_PORT too; on one machine, where trials would fight for one port, each finds one of its own there."""
    path: Annotated[str, pydantic.Field(min_length=1, max_length=255, pattern="^/[!-~]*$")] = "/metrics"
    """The path."""


class Metrics(base.Model):
    """Where a trial's observations come from."""

    source: MetricsSource = MetricsSource.FILE
    """file: the trial writes lines into the file that TUNING_METRICS_FILE names. stdout: it prints them. tensorboard: it writes event files into the folder that TUNING_TENSORBOARD_DIR names. prometheus: it serves them itself, at the endpoint."""
    path: Annotated[str, pydantic.Field(min_length=1, max_length=255)] | None = None
    """Path inside the metrics folder: of the file, by default metrics.jsonl, or of the folder with event files, by default tensorboard. The trial finds the full path in TUNING_METRICS_FILE or TUNING_TENSORBOARD_DIR."""
    format: MetricsFormat = MetricsFormat.JSON
    """For the sources file and stdout. json: one JSON object a line, such as {"step": 3, "accuracy": 0.9}. text: name=value pairs, found with pattern."""
    pattern: Annotated[str, pydantic.Field(min_length=1, max_length=1024)] | None = None
    """For format text: a regular expression (RE2, as in Go and in Katib) with two groups, the metric's name and its value."""
    endpoint: Endpoint | None = None
    """For the source prometheus: where the trial serves its metrics."""

    @property
    def place(self) -> str:
        """The path, or the one that the source has by default."""
        return self.path or ("tensorboard" if self.source is MetricsSource.TENSORBOARD else "metrics.jsonl")
