"""What goes together in `metrics`: each source of observations has fields of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tuning_operator.api.errors import Problem
from tuning_operator.api.job import Metrics, MetricsFormat, MetricsSource
from tuning_operator.api.rule import Rule
from tuning_trial import lines

SIDECAR_PORT = 9464

RULES: tuple[Rule[Metrics], ...] = (
    Rule(
        "path",
        "the path leaves the metrics folder",
        "write a path below it, such as metrics.jsonl",
        lambda metrics: metrics.path is None or re.search(r"^/|(^|/)\.\.(/|$)", metrics.path) is None,
        r"!has(self.path) || !self.path.matches('^/|(^|/)\\.\\.(/|$)')",
    ),
    Rule(
        "path",
        "a path is for the sources file and tensorboard only",
        "remove path",
        lambda metrics: metrics.path is None or metrics.source in (MetricsSource.FILE, MetricsSource.TENSORBOARD),
        "!has(self.path) || self.source in ['file', 'tensorboard']",
    ),
    Rule(
        "format",
        "format text is for the sources file and stdout only",
        "remove format",
        lambda metrics: (
            metrics.format is MetricsFormat.JSON or metrics.source in (MetricsSource.FILE, MetricsSource.STDOUT)
        ),
        "self.format == 'json' || self.source in ['file', 'stdout']",
    ),
    Rule(
        "endpoint",
        "the source prometheus needs an endpoint",
        "say where the trial serves its metrics, such as endpoint: {port: 9100}",
        lambda metrics: metrics.endpoint is not None or metrics.source is not MetricsSource.PROMETHEUS,
        "has(self.endpoint) || self.source != 'prometheus'",
    ),
    Rule(
        "endpoint",
        "an endpoint is for the source prometheus only",
        "remove endpoint, or write source: prometheus",
        lambda metrics: metrics.endpoint is None or metrics.source is MetricsSource.PROMETHEUS,
        "!has(self.endpoint) || self.source == 'prometheus'",
    ),
    Rule(
        "endpoint.port",
        f"the metrics sidecar listens on port {SIDECAR_PORT}",
        "let the trial use another one",
        lambda metrics: metrics.endpoint is None or metrics.endpoint.port != SIDECAR_PORT,
        f"!has(self.endpoint) || self.endpoint.port != {SIDECAR_PORT}",
    ),
    Rule(
        "pattern",
        "a pattern is for format text only",
        "remove pattern, or write format: text",
        lambda metrics: metrics.pattern is None or metrics.format is MetricsFormat.TEXT,
        "!has(self.pattern) || self.format == 'text'",
    ),
)


def pattern(metrics: Metrics, path: str) -> Iterator[Problem]:
    """What is wrong with the pattern, which CEL cannot say."""
    if metrics.pattern is None:
        return
    try:
        lines.compiled(metrics.pattern)
    except lines.ConfigurationError as error:
        message, _, mend = str(error).partition("; ")
        yield Problem(f"{path}.pattern", message.replace("metrics.pattern", "the pattern", 1), mend)
