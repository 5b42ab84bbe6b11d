"""What a model is told: one number for each trial, to be minimised, of order one, whatever the metrics look like.

Metrics come in any unit, with a diverged run at 1e300 beside values between 0.97 and 0.98. A model of the raw numbers
would see the one outlier and nothing else. So the better half keeps its distances, which say where the optimum lies,
and the worse half is spread by rank alone.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence

from tuning_operator.api import job
from tuning_operator.search.request import Outcome, Result

SHARE_OF_SUM = 0.05
"""Of all objectives in the scalar one: keeps it increasing in each of them (Knowles 2006)."""


def told(results: Sequence[Result]) -> list[Result]:
    """The results that say something about their configurations, by trial number.

    That is, those with values, and the failed ones. A trial that was stopped before it had a value says nothing.
    """
    useful = (result for result in results if valued(result) or result.outcome is not Outcome.STOPPED)
    return sorted(useful, key=lambda result: result.number)


def valued(result: Result) -> bool:
    """Whether a trial has objective values to learn from: finite ones, and a trial that did not fail."""
    return result.outcome is not Outcome.FAILED and bool(result.values) and all(map(math.isfinite, result.values))


def targets(results: Sequence[Result], goals: Sequence[job.Goal], rng: random.Random) -> list[float]:
    """A number for each result, smaller is better.

    Failed trials are told as the worst value seen: a model that is not told of them proposes their neighbours until the
    job has failed. Those that break outcome constraints are worse than all that do not. Several objectives are weighted
    at random, anew for each trial, which spreads the trials over the front (ParEGO: Knowles, IEEE Transactions on
    Evolutionary Computation 10, 2006).
    """
    good = [result for result in results if valued(result) and result.feasible]
    warped = [warp([_cost(result.values[index], goal) for result in good]) for index, goal in enumerate(goals)]
    scalar = warped[0] if len(goals) == 1 else _weigh(warped, rng)
    told = dict(zip((result.number for result in good), scalar, strict=True))
    told |= _infeasible([result for result in results if valued(result) and not result.feasible], scalar)
    worst = max(told.values(), default=0.0)
    return [told.get(result.number, worst) for result in results]


def _infeasible(results: Sequence[Result], feasible: Sequence[float]) -> dict[int, float]:
    """Targets for trials that break outcome constraints, by number: beyond all feasible ones, by how much they break.

    Violations of several constraints are made comparable by ranks and added up. (Deb, An Efficient Constraint Handling
    Method for Genetic Algorithms, Computer Methods in Applied Mechanics and Engineering 186, 2000)
    """
    edge = max(feasible, default=0.0)
    columns = zip(*(result.violations for result in results), strict=True)
    ranks = zip(*(_ranks(column) for column in columns), strict=True)
    return {result.number: edge + sum(shares) for result, shares in zip(results, ranks, strict=True)}


def _ranks(violations: Sequence[float]) -> list[float]:
    """The place of each violation among them, in (0, 1]; 0 where there is none."""
    order = {value: place for place, value in enumerate(sorted({v for v in violations if v > 0}), 1)}
    return [order[value] / len(order) if value in order else 0.0 for value in violations]


def costs(results: Sequence[Result], goals: Sequence[job.Goal]) -> list[list[float]]:
    """For each result one number for each objective, smaller is better, each warped for itself; failed ones the worst."""
    good = [result for result in results if valued(result)]
    warped = [warp([_cost(result.values[index], goal) for result in good]) for index, goal in enumerate(goals)]
    worst = [max(column, default=0.0) for column in warped]
    told = dict(zip((result.number for result in good), map(list, zip(*warped, strict=True)), strict=True))
    return [told.get(result.number, worst) for result in results]


def worth(values: Sequence[float], goal: job.Goal) -> float | None:
    """What a target lower by 1 is worth in the objective's own unit, where there is one objective.

    That holds for the better half of the values and beyond. None where these have no spread, or more than a float holds.
    """
    found = [_cost(value, goal) for value in values]
    middle = statistics.median_low(found)
    below = [cost for cost in found if cost < middle]
    if not below:
        return None
    unit = math.sqrt(statistics.fmean((cost / 2 - middle / 2) ** 2 for cost in below)) * 2
    return unit if 0 < unit < math.inf else None


def warp(costs: Sequence[float]) -> list[float]:
    """The costs, centred on their median: the better half in units of its spread, the worse half by normal scores.

    Equal costs stay equal, and no order is reversed (costs that are equal to all digits of a float may become equal).
    """
    if not costs:
        return []
    middle = statistics.median_low(costs)
    reach = middle / 2 - min(costs) / 2
    gaps = [(cost / 2 - middle / 2) / reach if cost < middle and reach else 0.0 for cost in costs]
    below = [gap for gap in gaps if gap]
    spread = math.sqrt(statistics.fmean(gap * gap for gap in below)) if below else 1.0
    normal = statistics.NormalDist()
    worse = sorted(cost for cost in costs if cost > middle)
    rank = {cost: (index + 1) / (len(worse) + 1) for index, cost in enumerate(worse)}
    return [
        normal.inv_cdf(0.5 + rank[cost] / 2) if cost > middle else gap / spread
        for cost, gap in zip(costs, gaps, strict=True)
    ]


def _cost(value: float, goal: job.Goal) -> float:
    return value if goal is job.Goal.MINIMIZE else -value


def _weigh(objectives: Sequence[Sequence[float]], rng: random.Random) -> list[float]:
    """The augmented Tchebycheff norm with weights uniform on the simplex, of objectives scaled to [0, 1]."""
    draws = [-math.log(1.0 - rng.random()) for _ in objectives]
    weights = [draw / sum(draws) for draw in draws]
    scaled = [[(cost - min(costs)) / ((max(costs) - min(costs)) or 1.0) for cost in costs] for costs in objectives]
    terms = (
        [weight * cost for weight, cost in zip(weights, point, strict=True)] for point in zip(*scaled, strict=True)
    )
    return [max(term) + SHARE_OF_SUM * sum(term) for term in terms]
