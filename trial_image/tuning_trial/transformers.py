"""Hugging Face's Trainer: what it logs is observed::

    from tuning_trial.transformers import Reporter, last, output_dir

    arguments = TrainingArguments(output_dir("out"), save_strategy="epoch", eval_strategy="epoch", ...)
    Trainer(model, arguments, ..., callbacks=[Reporter()]).train(resume_from_checkpoint=last())

The steps are the Trainer's global steps, the metrics called as it logs them, such as ``eval_loss``.
"""

from __future__ import annotations

import os
from typing import Any

import transformers

from tuning_trial import checkpoints

FOLDER = "transformers"


class Reporter(transformers.TrainerCallback):
    """Reports what the Trainer logs."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell again what was reported up to here."""
        if state.is_world_process_zero:
            checkpoints.replay(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Report what is logged."""
        found = {name: value for name, value in (logs or {}).items() if isinstance(value, (int, float))}
        if state.is_world_process_zero and found:
            checkpoints.report(found, state.global_step)


def output_dir(otherwise: str) -> str:
    """Where the Trainer is to save: the trial's folder for checkpoints, or `otherwise` where it has none."""
    place = checkpoints.folder()
    return os.path.join(place, FOLDER) if place else otherwise  # noqa: PTH118


def last() -> str | None:
    """The checkpoint that an earlier attempt has left, for `resume_from_checkpoint`; None where there is none."""
    from transformers import trainer_utils

    path = checkpoints.saved(FOLDER)
    found: str | None = trainer_utils.get_last_checkpoint(path) if path else None
    return found
