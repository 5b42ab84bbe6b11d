"""XGBoost: every round is an observation, and the model so far a checkpoint::

    from tuning_trial.xgboost import Reporter, last, remaining

    xgboost.train(parameters, data, remaining(200), evals=[(valid, "valid")], xgb_model=last(), callbacks=[Reporter()])

Metrics are called as XGBoost prints them, such as ``valid-logloss``.
"""

from __future__ import annotations

from typing import Any

import xgboost

from tuning_trial import checkpoints

MODEL = "model.ubj"


class Reporter(xgboost.callback.TrainingCallback):
    """Reports each round's metrics and saves the model every few rounds."""

    def __init__(self, every: int = 10) -> None:
        """`every` is after how many rounds the model is saved."""
        super().__init__()
        self._every = every

    def before_training(self, model: Any) -> Any:
        """Tell again what was reported up to here."""
        checkpoints.replay(model.num_boosted_rounds())
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: dict[str, dict[str, list[Any]]]) -> bool:
        """Report the round that has just ended."""
        rounds = model.num_boosted_rounds()
        metrics = {
            f"{data}-{metric}": values[-1][0] if isinstance(values[-1], tuple) else values[-1]
            for data, scores in evals_log.items()
            for metric, values in scores.items()
        }
        checkpoints.report(metrics, rounds)
        if rounds % self._every == 0:
            _save(model)
        return False

    def after_training(self, model: Any) -> Any:
        """Save the model once more."""
        _save(model)
        return model


def last() -> str | None:
    """The model that an earlier attempt has saved, for `xgb_model`; None where there is none."""
    return checkpoints.saved(MODEL)


def remaining(rounds: int) -> int:
    """How many of so many rounds are still to be trained."""
    path = last()
    return rounds if path is None else max(0, rounds - xgboost.Booster(model_file=path).num_boosted_rounds())


def _save(model: Any) -> None:
    with checkpoints.saving(MODEL) as path:
        if path is not None:
            model.save_model(path)
