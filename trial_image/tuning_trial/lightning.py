"""PyTorch Lightning: every epoch is an observation::

    from tuning_trial.lightning import callbacks, last

    Trainer(max_epochs=20, callbacks=callbacks()).fit(model, data, ckpt_path=last())

Reported is what the model has logged (`self.log`), validation included. Works with `lightning` and `pytorch_lightning`.
"""

from __future__ import annotations

from typing import Any

from tuning_trial import checkpoints

try:
    from lightning.pytorch import callbacks as library
except ImportError:
    from pytorch_lightning import callbacks as library

NAME = "last"


def callbacks() -> list[Any]:
    """What to hand to the Trainer: the reporter, and Lightning's own checkpoints where there is a folder for them."""
    place = checkpoints.folder()
    if place is None:
        return [Reporter()]
    keep = library.ModelCheckpoint(
        dirpath=place, filename=NAME, enable_version_counter=False, every_n_epochs=1, save_on_train_epoch_end=True
    )
    return [Reporter(), keep]


def last() -> str | None:
    """The checkpoint that an earlier attempt has left, for `ckpt_path`; None where there is none."""
    return checkpoints.saved(f"{NAME}.ckpt")


class Reporter(library.Callback):
    """Reports what was logged in each epoch."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Tell again what was reported up to here."""
        if trainer.is_global_zero:
            checkpoints.replay(trainer.current_epoch)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Report the epoch that has just ended; its validation has been done by then."""
        metrics = {name: value.item() for name, value in trainer.callback_metrics.items() if value.numel() == 1}
        if trainer.is_global_zero and metrics:
            checkpoints.report(metrics, trainer.current_epoch + 1)
