"""Where an attempt on this machine reports, and what collects it there.

Whatever the source, it is files in the attempt's folder in the end, so that a later `tuningctl` finds them too: what
the trial prints is a file already, and what it serves for Prometheus is written down.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Sequence
from pathlib import Path

from tuning_operator.api import job
from tuning_operator.tuner import outcomes
from tuning_trial import kinds, reporter, scraping, tensorboard

SCRAPED = "scraped.jsonl"
POLL_SECONDS = 0.25


def where(place: Path, spec: job.JobSpec) -> str:
    """What tells an attempt where to report: a file, a folder, a port that is free now, or nothing for what it prints."""
    match spec.metrics.source:
        case job.MetricsSource.FILE | job.MetricsSource.TENSORBOARD:
            return str(place / "metrics" / spec.metrics.place)
        case job.MetricsSource.PROMETHEUS:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                return str(probe.getsockname()[1])
        case job.MetricsSource.STDOUT:
            return ""


def files(place: Path, spec: job.JobSpec) -> list[Path]:
    """The files in which an attempt's metrics are."""
    folder = place / "metrics"
    match spec.metrics.source:
        case job.MetricsSource.FILE:
            return [folder / spec.metrics.place]
        case job.MetricsSource.STDOUT:
            return [place / "stdout.log"]
        case job.MetricsSource.PROMETHEUS:
            return [folder / SCRAPED]
        case job.MetricsSource.TENSORBOARD:
            return sorted((folder / spec.metrics.place).rglob(f"*{tensorboard.MARK}*"))


def collecting(place: Path, spec: job.JobSpec) -> kinds.Collecting:
    """What collects an attempt's metrics, from the beginning."""
    objectives = outcomes.reported(spec)
    pattern, folder = spec.metrics.pattern or "", place / "metrics"
    match spec.metrics.source:
        case job.MetricsSource.STDOUT:
            return kinds.collecting("stdout", str(place / "stdout.log"), spec.metrics.format, pattern, objectives)
        case job.MetricsSource.PROMETHEUS:
            return kinds.collecting("file", str(folder / SCRAPED), objectives=objectives)
        case job.MetricsSource.FILE | job.MetricsSource.TENSORBOARD as source:
            path = str(folder / spec.metrics.place)
            return kinds.collecting(source, path, spec.metrics.format, pattern, objectives, root=str(folder))


async def scrape(place: Path, endpoint: job.Endpoint, port: int, objectives: Sequence[str]) -> str:
    """Writes down what a trial serves, until cancelled; then, why it has served nothing, or empty text."""
    scraper = scraping.Scraper(port, endpoint.path, objectives)
    file, seen = place / "metrics" / SCRAPED, 0
    try:
        while True:
            scraper.poll()
            seen = _append(file, scraper, seen)
            await asyncio.sleep(POLL_SECONDS)
    except asyncio.CancelledError:
        await asyncio.to_thread(scraper.finish)
    seen = _append(file, scraper, seen)
    return "" if seen else scraper.summary().problem


def _append(file: Path, scraper: scraping.Scraper, seen: int) -> int:
    rows = scraper.observations(seen)
    if rows:
        with file.open("a", encoding="utf-8") as lines:
            for row in rows:
                values = {name: reporter.encode(value) for name, value in row.values.items()}
                lines.write(json.dumps({**values, "step": row.step, "time": row.time}) + "\n")
    return rows[-1].id if rows else seen
