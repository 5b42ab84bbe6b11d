"""Cross-validation with scikit-learn, fold by fold::

    from tuning_trial.sklearn import cross_validate

    cross_validate(SVC(**tuning_trial.parameters()), X, y, scoring="accuracy", cv=5)

Each fold is an observation; with `from: mean` the objective is the mean of the folds. A trial that is started again
goes on with the fold that it was in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tuning_trial import checkpoints

FOLDS = "folds.json"


def cross_validate(
    estimator: Any,
    X: Any,  # noqa: N803
    y: Any = None,
    *,
    scoring: str | Mapping[str, Any] = "accuracy",
    cv: Any = 5,
) -> dict[str, list[float]]:
    """Fit a clone of the estimator for each fold, report its scores, and give all of them by metric.

    `scoring` is a name of scikit-learn's, or scorers (or such names) by the names of metrics; `cv` is what
    `sklearn.model_selection.check_cv` takes.
    """
    from sklearn import base, metrics, model_selection, utils

    named = {scoring: scoring} if isinstance(scoring, str) else dict(scoring)
    scorers = {name: metrics.get_scorer(one) if isinstance(one, str) else one for name, one in named.items()}
    done = _restore(named)
    checkpoints.replay(len(done))
    folds = model_selection.check_cv(cv, y, classifier=base.is_classifier(estimator))
    for fold, (train, test) in enumerate(folds.split(X, y), 1):
        if fold <= len(done):
            continue
        fitted = base.clone(estimator)
        parts = [
            utils._safe_indexing(data, part) if data is not None else None for part in (train, test) for data in (X, y)
        ]
        fitted.fit(parts[0], parts[1])
        scores = {name: float(scorer(fitted, parts[2], parts[3])) for name, scorer in scorers.items()}
        checkpoints.report(scores, fold)
        done.append(scores)
        with checkpoints.saving(FOLDS) as path:
            if path is not None:
                with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
                    json.dump(done, file)
    return {name: [scores[name] for scores in done] for name in scorers}


def _restore(named: Mapping[str, Any]) -> list[dict[str, float]]:
    path = checkpoints.saved(FOLDS)
    if path is None:
        return []
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        done: list[dict[str, float]] = json.load(file)
    return done if all(set(scores) == set(named) for scores in done) else []
