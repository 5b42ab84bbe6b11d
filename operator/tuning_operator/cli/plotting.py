"""`tuningctl plot`: the charts of a job as pictures, or one of them in the terminal."""

from __future__ import annotations

import itertools
import shutil
import sys
from pathlib import Path
from typing import Any

from tuning_operator.cli import finding, locating, words
from tuning_operator.cli.status import Failure, Status
from tuning_operator.report import page, picture, scale, view

TERMINAL = ("history", "importance", "curves")
MOST_CURVES = 8


async def plot(where: locating.Where, charts: list[str], output: str, dark: bool) -> int:
    """Draw; answers the exit status."""
    if unknown := [name for name in charts if name not in page.CHARTS]:
        raise Failure(Status.REFUSED, f"{unknown[0]} is no chart; choose from {', '.join(page.CHARTS)}")
    found = await finding.look(where)
    try:
        return _files(found, charts, Path(output), dark) if output else _terminal(found, charts)
    except picture.Missing as error:
        raise Failure(Status.REFUSED, str(error)) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        message = f"{output} cannot be written: {error.strerror}; choose another place with --output"
        raise Failure(Status.FAILED, message) from None


def _files(found: view.View, charts: list[str], output: Path, dark: bool) -> int:
    single = output.suffix in (".png", ".svg")
    if single and len(charts) != 1:
        raise Failure(Status.REFUSED, f"{output} holds one chart; name it with --chart, or name a folder to get all")
    drawn = 0
    for name in charts or page.CHARTS:
        chart = page.CHARTS[name](found)
        if chart is None:
            if charts:
                sys.stderr.write(f"there is nothing to draw for {name} yet\n")
            continue
        target = output if single else output / f"{found.name}-{name}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".svg":
            target.write_text(picture.svg(chart, dark=dark), "utf-8")
        else:
            target.write_bytes(picture.png(chart, dark=dark))
        sys.stdout.write(f"{target}\n")
        drawn += 1
    return Status.DONE if drawn else Status.FAILED


def _history(found: view.View, canvas: Any) -> bool:
    valued = [row for row in found.rows if row.rank is not None]
    if not valued:
        return False
    numbers, values = [row.number for row in valued], [row.values[found.metric] for row in valued]
    best = list(itertools.accumulate(values, max if found.direction > 0 else min))
    low, high = scale.bounds(values, better=found.direction)
    canvas.scatter(numbers, values, marker="dot", label="trial")
    canvas.plot(numbers, best, marker="braille", label="best so far")
    canvas.ylim(*scale.padded(low, high) if high > low else (low - 0.5, high + 0.5))
    canvas.title(f"{found.name}: {found.metric} by trial")
    return True


def _importance(found: view.View, canvas: Any) -> bool:
    if not found.importance:
        return False
    shown = list(found.importance.items())[::-1]
    canvas.bar([name for name, _ in shown], [100 * value for _, value in shown], orientation="horizontal")
    canvas.plotsize(min(shutil.get_terminal_size().columns, 110), 2 * len(shown) + 4)
    canvas.title(f"{found.name}: importance for {found.metric} in per cent")
    return True


def _curves(found: view.View, canvas: Any) -> bool:
    known = [row.curves[found.metric] for row in found.ranked if len(row.curves.get(found.metric, ())) > 1][
        :MOST_CURVES
    ]
    for number, one in enumerate(known):
        canvas.plot(one.steps, one.values, marker="braille", label="best" if not number else None)
    canvas.title(f"{found.name}: {found.metric} by step of the best {len(known)}")
    return bool(known)


def _terminal(found: view.View, charts: list[str]) -> int:
    if unfit := [name for name in charts if name not in TERMINAL]:
        raise Failure(Status.REFUSED, f"{unfit[0]} does not fit a terminal; write it to a file with --output")
    try:
        import plotext
    except ImportError:
        raise picture.Missing(f"a chart in the terminal needs the library plotext: {picture.EXTRA}") from None
    drawn = False
    for name in charts or TERMINAL[:1]:
        plotext.clear_figure()
        width, height = shutil.get_terminal_size()
        plotext.plotsize(min(width, 110), min(height - 2, 22))
        plotext.theme("clear" if not sys.stdout.isatty() else "pro")
        if not {"history": _history, "importance": _importance, "curves": _curves}[name](found, plotext):
            sys.stderr.write(f"there is nothing to draw for {name} yet\n")
            continue
        text = plotext.build()
        sys.stdout.write((text if sys.stdout.isatty() else plotext.uncolorize(text)) + "\n")
        drawn = True
    if drawn and found.best is not None:
        sys.stdout.write(
            f"best: {words.objectives(found.best.values)} {words.parameters(found.best.parameters)} (trial {found.best.number})\n"
        )
    return Status.DONE if drawn else Status.FAILED
