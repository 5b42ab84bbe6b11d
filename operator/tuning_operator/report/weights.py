"""Which parameters made the difference, for jobs whose status does not say so yet.

A random forest learns the objective from the configurations; a parameter matters as much as the forest's predictions
get worse when that parameter's values are shuffled among the trials (Breiman, "Random Forests", 2001).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tuning_operator.api.job import Parameter, Scale
from tuning_operator.report import view, wording

FEWEST = 10
"""Trials below which a ranking would be chance."""
MOST = 2000
"""Trials that are learnt from; more change nothing but the time it takes."""
NOTE = "How much worse a random forest predicts {metric} without the parameter (permutation importance), from {trials}."


def importance(job: view.View) -> tuple[Mapping[str, float], str]:
    """Shares that add up to 1, and how they came about; empty where too few trials have a value."""
    valued = [row for row in job.rows if row.rank is not None]
    if len(valued) < FEWEST or len(job.spec.parameters) < 2:
        return {}, ""
    import numpy
    from sklearn import ensemble, inspection

    rows = valued[:: math.ceil(len(valued) / MOST)]
    features = numpy.array([[_feature(parameter, row) for parameter in job.spec.parameters] for row in rows])
    # Ranks instead of values: one trial that diverged must not be all there is to learn.
    ranks = numpy.array([float(row.rank or 0) for row in rows])
    forest = ensemble.RandomForestRegressor(n_estimators=100, min_samples_leaf=2, random_state=0).fit(features, ranks)
    shuffled = inspection.permutation_importance(forest, features, ranks, n_repeats=10, random_state=0)
    losses = [max(0.0, float(loss)) for loss in shuffled.importances_mean]
    total = sum(losses)
    if not total:
        return {}, ""
    shares = {parameter.name: loss / total for parameter, loss in zip(job.spec.parameters, losses, strict=True)}
    return shares, NOTE.format(metric=job.metric, trials=wording.many(len(rows), "trial"))


def _feature(parameter: Parameter, row: view.Row) -> float:
    """A value as a forest can take it: only the order counts, and a parameter that is not there comes first."""
    value = row.parameters.get(parameter.name)
    if value is None:
        return -1e9
    if parameter.values is not None:
        return float(list(map(str, parameter.values)).index(str(value)))
    return math.log(float(value)) if parameter.scale is Scale.LOG and float(value) > 0 else float(value)
