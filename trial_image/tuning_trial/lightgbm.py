"""LightGBM: every round is an observation, and the model so far a checkpoint::

    from tuning_trial.lightgbm import Reporter, last, remaining

    lightgbm.train(parameters, data, remaining(200), valid_sets=[valid], init_model=last(), callbacks=[Reporter()])

Metrics are called by their data set and name, such as ``valid_0-l2``.
"""

from __future__ import annotations

from typing import Any

from tuning_trial import checkpoints

MODEL = "model.txt"


class Reporter:
    """Reports each round's metrics and saves the model every few rounds."""

    order = 15
    """Before early stopping (30), which raises in the round in which it stops."""
    before_iteration = False

    def __init__(self, every: int = 10) -> None:
        """`every` is after how many rounds the model is saved."""
        self._every = every

    def __call__(self, env: Any) -> None:
        """Report the round that has just ended."""
        if env.iteration == env.begin_iteration:
            checkpoints.replay(env.begin_iteration)
        rounds = env.iteration + 1
        checkpoints.report(
            {f"{data}-{metric}": value for data, metric, value, *_ in env.evaluation_result_list}, rounds
        )
        if rounds % self._every == 0 or rounds == env.end_iteration:
            with checkpoints.saving(MODEL) as path:
                if path is not None:
                    env.model.save_model(path, num_iteration=-1)


def last() -> str | None:
    """The model that an earlier attempt has saved, for `init_model`; None where there is none."""
    return checkpoints.saved(MODEL)


def remaining(rounds: int) -> int:
    """How many of so many rounds are still to be trained."""
    import lightgbm

    path = last()
    return rounds if path is None else max(0, rounds - lightgbm.Booster(model_file=path).current_iteration())
