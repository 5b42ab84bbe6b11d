"""Where the user expects a parameter's best value, on the unit interval on which samplers see the parameter.

A hint is followed less and less: the first trial is at its centre, and of the later ones a share that shrinks is drawn
from it. So a wrong one costs a few trials and hides nothing, whatever the algorithm. (As in Hvarfner et al., piBO:
Augmenting Acquisition Functions with User Beliefs, ICLR 2022, whose weight falls with the number of trials, and in
Mallik et al., PriorBand, NeurIPS 2023, which mixes draws from the prior with others.)
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from typing import Protocol

from tuning_operator.api import job
from tuning_operator.search.dimension import Dimension

SHARE, FADING = 0.5, 8.0
"""Of the trials just after the first, so many are drawn from the priors; after so many trials, half as many."""


class Belief(Protocol):
    """A distribution on the unit interval."""

    def centre(self) -> float:
        """Its most likely place."""

    def quantile(self, chance: float) -> float:
        """The place below which that share of it lies; a uniform chance gives a draw."""


@dataclasses.dataclass(frozen=True)
class Normal:
    """A normal distribution, cut off at the ends of the interval."""

    mean: float
    sigma: float

    def centre(self) -> float:
        """The mean."""
        return self.mean

    def quantile(self, chance: float) -> float:
        """Between the chances that lie below and above the interval."""
        normal = statistics.NormalDist(self.mean, self.sigma)
        low, high = normal.cdf(0.0), normal.cdf(1.0)
        inside = min(max(low + chance * (high - low), math.ulp(0.0)), 1.0 - math.ulp(0.5))
        return min(max(normal.inv_cdf(inside), 0.0), 1.0)


@dataclasses.dataclass(frozen=True)
class Weighted:
    """A weight for each of several equal parts of the interval; one of them is above 0."""

    weights: tuple[float, ...]

    def centre(self) -> float:
        """The middle of the first part that has the largest weight."""
        return (self.weights.index(max(self.weights)) + 0.5) / len(self.weights)

    def quantile(self, chance: float) -> float:
        """The middle of the part that the chance falls into."""
        sums = list(itertools.accumulate(weight / max(self.weights) for weight in self.weights))
        index = next(index for index, reached in enumerate(sums) if reached > min(chance, 1 - 1e-12) * sums[-1])
        return (index + 0.5) / len(self.weights)


def from_parameter(parameter: job.Parameter, dimension: Dimension) -> Belief | None:
    """The belief that a manifest states about a parameter; None where it states none."""
    prior = parameter.prior
    if prior is None:
        return None
    if prior.weights is not None:
        return Weighted(tuple(prior.weights))
    if prior.mean is None or prior.sigma is None or parameter.min is None or parameter.max is None:
        raise ValueError(f"{parameter.name} has a prior without a mean or a sigma")
    low, high, sigma = parameter.min, parameter.max, prior.sigma
    if parameter.scale is job.Scale.LOG:
        low, high = math.log10(low), math.log10(high)
    width = high / 2 - low / 2
    return Normal(dimension.unit(prior.mean), max(sigma / 2 / width, 1e-9)) if width else None


def share(trials: int) -> float:
    """Which share of the trials is drawn from the priors after so many."""
    return SHARE * FADING / (FADING + trials)
