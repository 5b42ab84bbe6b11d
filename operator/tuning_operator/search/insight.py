"""What the results say about the search itself: which parameters matter, and whether there is anything left to gain.

It is computed beside the search, now and then, and from a bounded number of results: it may be late and never in the
way. Importance is each parameter's total effect on a random forest's prediction (Sobol' indices: Homma and Saltelli,
Reliability Engineering and System Safety 52, 1996, with Jansen's estimator, Computer Physics Communications 117, 1999;
the forest as in Hutter, Hoos and Leyton-Brown, ICML 2014). What is left to gain is the optimistic end of what a
Gaussian process believes, as in Makarova et al., Automatic Termination for Hyperparameter Optimization, AutoML 2022.

numpy and scikit-learn are imported only where they are needed: in the search's process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence

from tuning_operator.search import candidates, targets
from tuning_operator.search.request import Request, Result

LEAST = 10
"""Results from which on anything can be said."""
MOST = 150
"""Results that are looked at; the better half of them are the best ones, the others are spread over the rest."""
POINTS, TREES, LEAF = 512, 50, 2
"""Importance: points at which the forest is asked, its trees, and results in a leaf."""
OPTIMISM, CHANCE = 1.645, 0.05
"""Standard deviations below the mean, and the chance that the next trial is better still where it promises most."""
MOST_UNEXPLAINED = 0.5
"""Of the variance of the results, for the model to be believed."""
EVERYWHERE, NEARBY, CENTRES = 1000, 60, 3
"""Points at which the gain is looked for: on the whole, and around each of the best."""


@dataclasses.dataclass(frozen=True)
class Insight:
    """What is known; `gain` is in the objective's unit, and None where nothing can be said of it."""

    importance: Mapping[str, float]
    gain: float | None = None


def study(request: Request) -> Insight:
    """What the request's results say. Total: of results that say nothing, it says nothing."""
    results = _chosen([one for one in targets.told(request.results) if _belongs(request, one)], request)
    if len(results) < LEAST:
        return Insight({})
    import numpy as np

    found: dict[str, float] = {}
    gain = None
    with contextlib.suppress(ValueError, ArithmeticError, np.linalg.LinAlgError):
        found = _importance(request, results)
    if len(request.goals) == 1 and len(results) >= max(2 * LEAST, 3 * len(request.space.slots)):
        with contextlib.suppress(ValueError, ArithmeticError, np.linalg.LinAlgError):
            gain = _gain(request, results)
    return Insight(found, gain)


def _belongs(request: Request, result: Result) -> bool:
    return targets.valued(result) and result.feasible and request.space.coerce(result.configuration) is not None


def _chosen(results: Sequence[Result], request: Request) -> list[Result]:
    """All of few results; of many the best, and others from across the ranking."""
    if len(results) <= MOST:
        return list(results)
    first = targets.costs(results, request.goals[:1])
    ranked = [results[index] for index in sorted(range(len(results)), key=lambda index: (first[index], index))]
    best, others = ranked[: MOST // 2], ranked[MOST // 2 :]
    left = MOST - len(best)
    return best + [others[(2 * index + 1) * len(others) // (2 * left)] for index in range(left)]


def _importance(request: Request, results: Sequence[Result]) -> dict[str, float]:
    """Each parameter's share of the total effects; with several objectives the mean over them."""
    import numpy as np
    from sklearn import ensemble

    space, rng = request.space, request.rng("importance")
    features = np.asarray(candidates.rows(space, [result.configuration for result in results]))
    asked = np.asarray(candidates.rows(space, candidates.everywhere(space, rng, POINTS)))
    asked = asked[np.random.default_rng(request.seed).permutation(len(asked))[:POINTS]]
    shares = dict.fromkeys(space.names, 0.0)
    for column in np.asarray(targets.costs(results, request.goals)).T:
        forest = ensemble.RandomForestRegressor(TREES, min_samples_leaf=LEAF, random_state=request.seed)
        base = forest.fit(features, column).predict(asked)
        effects = {}
        for name, places in _places(request).items():
            moved = asked.copy()
            order = np.random.default_rng(request.seed + 1).permutation(len(asked))
            moved[:, places] = asked[order][:, places]
            effects[name] = float(np.mean((forest.predict(moved) - base) ** 2))
        total = sum(effects.values())
        for name, effect in effects.items():
            shares[name] += effect / total / len(request.goals) if total > 0 else 0.0
    return shares if any(shares.values()) else {}


def _places(request: Request) -> dict[str, list[int]]:
    """The columns of each parameter in the rows that a model sees."""
    places: dict[str, list[int]] = {}
    end = 0
    for slot in request.space.slots:
        if slot.dimension.count == 1:
            continue
        width = candidates.width(slot.dimension)
        places[slot.name] = list(range(end, end + width))
        end += width
    return places


def _gain(request: Request, results: Sequence[Result]) -> float | None:
    """By how much the next trial may be better than all so far, unless it is among the luckiest one in twenty."""
    from tuning_operator.search import surrogate

    space, rng = request.space, request.rng("gain")
    worth = targets.worth([result.values[0] for result in results], request.goals[0])
    if worth is None:
        return None
    told = tuple(targets.targets(results, request.goals, rng))
    rows = candidates.rows(space, [result.configuration for result in results])
    model = surrogate.fit("GP", request.seed, prior=(rows, told), told=(rows, told), pending=())
    believed = [-one for one in model.utilities(rows, "LCB", 0.0, 0.0)]
    if _unexplained(told, believed) > MOST_UNEXPLAINED:
        # To a model that takes all differences for noise, everything is alike, and nothing is left to gain.
        return None
    order = sorted(range(len(results)), key=lambda index: (told[index], index))
    centres = [results[index].configuration for index in order[:CENTRES]]
    points = [*candidates.everywhere(space, rng, EVERYWHERE), *candidates.nearby(space, rng, centres, NEARBY, 0.05)]
    fresh = [one for one in points if space.key(one) not in request.used]
    if not fresh:
        return 0.0
    utilities = model.utilities(candidates.rows(space, fresh), "LCB", 0.0, OPTIMISM)
    # What the model takes for noise may be luck for the next trial, too.
    noise = math.sqrt(statistics.fmean((one - other) ** 2 for one, other in zip(told, believed, strict=True)))
    return max(0.0, (min(told) + max(utilities) + OPTIMISM * noise) * worth)


def _unexplained(told: Sequence[float], believed: Sequence[float]) -> float:
    """The share of the targets' variance that a model does not explain."""
    around = statistics.fmean(told)
    missed = sum((one - other) ** 2 for one, other in zip(told, believed, strict=True))
    return missed / (sum((one - around) ** 2 for one in told) or 1.0)


def due(known: int, before: int) -> bool:
    """Whether so many results are enough more than those of the last study to look again."""
    return known >= LEAST and known >= before + max(1, statistics.median_low([2, before // 8, 50]))
