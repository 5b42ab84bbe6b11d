"""Keras 3, with any backend: every epoch is an observation::

    from tuning_trial.keras import callbacks

    model.fit(x, y, epochs=20, validation_data=valid, callbacks=callbacks())

With a folder for checkpoints the training goes on after the last whole epoch of the attempt before.
"""

from __future__ import annotations

import math
import os
from typing import Any

import keras

from tuning_trial import checkpoints

BACKUP = "keras"


def callbacks() -> list[Any]:
    """What to hand to `fit`: the reporter, and Keras' own backup where there is a folder for it."""
    place = checkpoints.folder()
    if place is None:
        return [Reporter()]
    backup = os.path.join(place, BACKUP)  # noqa: PTH118
    return [keras.callbacks.BackupAndRestore(backup, delete_checkpoint=False), Reporter()]


class Reporter(keras.callbacks.Callback):
    """Reports the metrics of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Tell again what was reported before the first epoch of this attempt."""
        if not self._begun:
            self._begun = True
            checkpoints.replay(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Report the epoch that has just ended."""
        checkpoints.report(logs or {}, epoch + 1)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Where no epoch was left, there is only what was reported before."""
        if not self._begun:
            checkpoints.replay(math.inf)
