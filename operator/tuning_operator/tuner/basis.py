"""Which results a suggestion may use, so that a restart changes nothing.

A suggestion depends on the results that it knew. If a restarted operator, which finds several trials finished at
once, simply used them all, it would propose something else than one that saw them finish one by one. So the results
are handed out as if one by one: of the trials to be created together, the last one knows all that is known, and each
earlier one knows one result less. What each trial knew is recorded with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from tuning_operator.tuner import state


def known(trials: Sequence[state.Trial]) -> frozenset[int]:
    """The results that the newest trial was based on (they grow from trial to trial); empty before the first."""
    newest = state.sort_out(trials).newest
    return decode(newest.spec.based_on) if newest else frozenset()


def hand_out(trials: Sequence[state.Trial], count: int) -> list[frozenset[int]]:
    """The results that each of the next `count` trials may use. `trials` are in order of number."""
    before, all_ = known(trials), state.sort_out(trials)
    over = all_.past.fold("by number", dict[int, state.Trial], _file)
    fresh = [trial for trial in all_.live if trial.is_finished() and trial.number not in before]
    fresh += [over[number] for number in over.keys() - before]
    order = [trial.number for trial in sorted(fresh, key=_completion)]
    return [before.union(order[: max(0, len(order) - later)]) for later in range(count - 1, -1, -1)]


def _file(before: dict[int, state.Trial], trial: state.Trial) -> dict[int, state.Trial]:
    before[trial.number] = trial
    return before


def _completion(trial: state.Trial) -> tuple[float, int]:
    ended = trial.status.completion_time
    return (ended.timestamp() if ended else 0.0, trial.number)


def encode(numbers: Collection[int]) -> str:
    """Numbers as ranges: {0, 1, 2, 5} is ``"0-2,5"``. Short even for thousands, as trials finish nearly in order."""
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in _ranges(sorted(numbers)))


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


def decode(text: str) -> frozenset[int]:
    """The inverse of `encode`. Raises ValueError for anything else."""
    numbers: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return frozenset(numbers)
