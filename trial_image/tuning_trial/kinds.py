"""From a job's `metrics` to what collects them: the one place that knows all sources that are read beside the trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tuning_trial.collector import Collector
from tuning_trial.lines import ConfigurationError
from tuning_trial.record import Observation
from tuning_trial.summary import Summary


class Collecting(Protocol):
    """Collects what one trial reports; each call does a bounded piece of work."""

    @property
    def rows(self) -> int:
        """How many rows there are so far."""

    def poll(self, budget_bytes: int) -> bool:
        """Read what is new, about `budget_bytes` of it at most. Says whether there was any: if so, more may wait."""

    def finish(self, budget_bytes: int) -> None:
        """Read to the end, as nothing more will come, but no more than `budget_bytes`; after that nothing is read."""

    def summary(self) -> Summary:
        """The curves so far, the objectives first."""

    def observations(self, after: int, limit: int = 1000) -> list[Observation]:
        """Up to `limit` rows whose ids are greater than `after`."""


def collecting(
    source: str,
    where: str,
    format: str = "json",  # noqa: A002
    pattern: str = "",
    objectives: Sequence[str] = (),
    root: str = "",
) -> Collecting:
    """What collects from `source`; `where` is a file, a folder, or a port and a path such as 9100/metrics.

    Raises ConfigurationError for what cannot work.
    """
    if source in ("file", "stdout"):
        return Collector(where, format, pattern, objectives, root, output=source == "stdout")
    if source == "tensorboard":
        from tuning_trial.tensorboard import Events

        return Events(where, objectives, root)
    if source == "prometheus":
        from tuning_trial.scraping import Scraper

        port, slash, path = where.partition("/")
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ConfigurationError(f"metrics.endpoint is {where!r}; write a port and a path such as 9100/metrics")
        return Scraper(int(port), slash + path or "/metrics", objectives)
    raise ConfigurationError(f"metrics.source is {source!r}; write file, stdout, tensorboard or prometheus")
