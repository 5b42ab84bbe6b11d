"""Progress for pipes, files and CI logs: one line for each thing that happened, and no control character."""

from __future__ import annotations

from typing import TextIO

from tuning_operator.api import trial
from tuning_operator.cli import words
from tuning_operator.local import folder, result
from tuning_operator.tuner import actions, state


class Lines:
    """Writes a line for each trial that ends."""

    def __init__(self, stream: TextIO, home: folder.Folder | None = None) -> None:
        self._stream = stream
        self._home = home
        self._told: set[int] | None = None
        self._message = ""

    def show(self, snapshot: state.Snapshot) -> None:
        """Tell what is new."""
        finished = [item for item in snapshot.trials if item.is_finished()]
        if self._told is None:
            # What earlier runs have told is not told again.
            self._told = {item.number for item in finished}
        for item in sorted(finished, key=lambda item: (item.status.completion_time or snapshot.now, item.number)):
            if item.number not in self._told:
                self._told.add(item.number)
                self._end(item, snapshot)
        message = words.clean(snapshot.job.status.message)
        if message and message != self._message and not snapshot.job.status.phase.is_finished():
            self.say(message)
        self._message = message

    def tell(self, news: actions.Announce) -> None:
        """What `show` does not tell: attempts that were lost, and what was learnt from other jobs."""
        if news.reason in ("TrialAttemptLost", "WarmStarted"):
            self.say(words.clean(news.message))

    def say(self, line: str) -> None:
        """Write a line at once."""
        self._stream.write(line + "\n")
        self._stream.flush()

    def _end(self, item: state.Trial, snapshot: state.Snapshot) -> None:
        assert self._told is not None
        line = words.ending(item, snapshot.now)
        if item.status.phase is trial.TrialPhase.FAILED and item.recorded is not None and self._home is not None:
            line += f"; see {self._home.attempt(item.number, item.recorded.number)}"
        total = snapshot.job.spec.limits.max_trials
        line += f"  [{len(self._told)}{f'/{total}' if total else ''}]"
        if (winner := result.best(snapshot)) is not None:
            line += f" best {', '.join(map(words.value, winner.values.values()))}"
        self.say(line)
