"""A Gaussian process that knows two things most objectives of tuning have: a smooth part and a bowl.

The covariance is a Matern 5/2 kernel with a length scale for each parameter, for what is local, plus a polynomial one of
second degree, for the overall shape: with it, a few dozen results are enough to see where a bowl has its bottom, which a
local kernel alone has to walk to. Hyperparameters are the most likely ones under weak priors; the gradients are exact.

Rasmussen and Williams, Gaussian Processes for Machine Learning (2006); priors on length scales that grow with the root of
the number of parameters as in Hvarfner, Hellsten and Nardi, Vanilla Bayesian Optimization Performs Great in High
Dimensions, ICML (2024).

Imports numpy and scipy only: not scikit-learn, and no torch.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

Array = NDArray[np.float64]
Groups = NDArray[np.int64]

ROOT5 = 5**0.5
JITTER = 1e-9
"""Added to the diagonal, relative to targets of variance one, so that points that nearly coincide do no harm."""
STEPS = 50
"""Evaluations of the likelihood in one fit of the hyperparameters."""
LEAST_VARIANCE = 1e-12


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """Logarithms: length scales (one for each group of columns), signal, noise, linear and quadratic weight."""

    theta: tuple[float, ...]
    loss: float
    """The negative log posterior that they reach, up to a constant."""


def _prior(groups: int) -> tuple[Array, Array, list[tuple[float, float]]]:
    """Mean and standard deviation of the logarithms, and their bounds."""
    mean = np.array([0.5 * np.log(groups)] * groups + [0.0, -6.0, -1.0, -1.0])
    spread = np.array([1.0] * groups + [1.0, 2.5, 2.0, 2.0])
    bounds = [(np.log(0.02), np.log(100.0))] * groups + [(-6.0, 6.0), (np.log(1e-8), 1.0), (-14.0, 6.0), (-14.0, 6.0)]
    return mean, spread, bounds


def learn(points: Array, targets: Array, groups: Groups) -> Hyperparameters:
    """The most likely hyperparameters for targets of mean zero and variance one at points of the unit cube.

    `groups` tells for each column of the points which length scale it has: one-hot columns of a choice share theirs.
    """
    start, _, bounds = _prior(int(groups.max()) + 1)
    found = optimize.minimize(
        _Likelihood(points, targets, groups),
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": STEPS, "maxfun": STEPS},
    )
    return Hyperparameters(tuple(map(float, found.x)), float(found.fun))


class _Likelihood:
    """The negative log posterior of the hyperparameters, and its gradient."""

    def __init__(self, points: Array, targets: Array, groups: Groups) -> None:
        self._points, self._targets, self._groups = points, targets, groups
        self._count = int(groups.max()) + 1
        self._mean, self._spread, _ = _prior(self._count)
        centred = 2.0 * points - 1.0
        self._linear = centred @ centred.T / points.shape[1]
        self._quadratic = self._linear**2

    def __call__(self, theta: Array) -> tuple[float, Array]:
        scaled = self._points / np.exp(theta[: self._count])[self._groups]
        signal, noise, linear, quadratic = np.exp(theta[self._count :])
        distance = np.sqrt(_squares(scaled, scaled))
        decay = np.exp(-ROOT5 * distance)
        local = signal * (1 + ROOT5 * distance + 5 / 3 * distance**2) * decay
        covariance = local + linear * self._linear + quadratic * self._quadratic
        covariance[np.diag_indices_from(covariance)] += noise + JITTER
        try:
            factor = linalg.cholesky(covariance, lower=True, check_finite=False)
        except linalg.LinAlgError:
            return 1e10, np.zeros_like(theta)
        lower = linalg.lapack.dpotri(factor, lower=1)[0]
        inverse = np.tril(lower) + np.tril(lower, -1).T
        weights = inverse @ self._targets
        slope = 0.5 * (inverse - np.outer(weights, weights))
        inner = slope * (5 / 3 * signal * (1 + ROOT5 * distance) * decay)
        columns = 2 * (scaled**2 * inner.sum(1)[:, None]).sum(0) - 2 * np.einsum("ij,ij->j", scaled, inner @ scaled)
        gradient = np.concatenate(
            [
                np.bincount(self._groups, columns, self._count),
                [
                    (slope * local).sum(),
                    noise * np.trace(slope),
                    linear * (slope * self._linear).sum(),
                    quadratic * (slope * self._quadratic).sum(),
                ],
            ]
        )
        surprise = (theta - self._mean) / self._spread
        loss = 0.5 * self._targets @ weights + np.log(np.diag(factor)).sum() + 0.5 * surprise @ surprise
        return float(loss), gradient + surprise / self._spread


class Process:
    """The process given results at some points."""

    def __init__(self, points: Array, targets: Array, groups: Groups, hyperparameters: Hyperparameters) -> None:
        theta, count = np.array(hyperparameters.theta), int(groups.max()) + 1
        self._scales = np.exp(theta[:count])[groups]
        self._signal, self._noise, self._linear, self._quadratic = (float(one) for one in np.exp(theta[count:]))
        self._scaled, self._centred = points / self._scales, 2.0 * points - 1.0
        covariance, _ = self._covariance(points)
        jitter = JITTER
        while True:
            try:
                noisy = covariance + (self._noise + jitter) * np.eye(len(points))
                factor = linalg.cholesky(noisy, lower=True, check_finite=False)
                break
            except linalg.LinAlgError:
                if jitter > 1:
                    raise
                jitter *= 10
        self._weights = linalg.cho_solve((factor, True), targets, check_finite=False)
        self._inverse = linalg.solve_triangular(factor, np.eye(len(points)), lower=True, check_finite=False)

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Mean and variance of a trial at each point.

        The noise is part of the variance: what counts is the best trial, and none is made twice.
        """
        cross, own = self._covariance(points)
        explained = cross @ self._inverse.T
        latent = np.maximum(own - np.einsum("ij,ij->i", explained, explained), LEAST_VARIANCE)
        return cross @ self._weights, latent + self._noise

    def slope(self, point: Array) -> tuple[float, Array, float, Array]:
        """Mean and variance at one point, each with its gradient."""
        columns = len(point)
        away = point / self._scales - self._scaled
        distance = np.sqrt((away * away).sum(1))
        decay = np.exp(-ROOT5 * distance)
        centred = 2.0 * point - 1.0
        along, norm = self._centred @ centred / columns, float(centred @ centred) / columns
        cross = self._signal * (1 + ROOT5 * distance + 5 / 3 * distance**2) * decay
        cross += self._linear * along + self._quadratic * along**2
        bend = (-5 / 3 * self._signal * (1 + ROOT5 * distance) * decay)[:, None] * away / self._scales
        bend += (self._linear + 2 * self._quadratic * along)[:, None] * self._centred * (2 / columns)
        own = self._signal + self._linear * norm + self._quadratic * norm**2
        own_bend = (self._linear + 2 * self._quadratic * norm) * 4 * centred / columns
        half = self._inverse @ cross
        variance = max(own - float(half @ half), LEAST_VARIANCE) + self._noise
        return (
            float(cross @ self._weights),
            bend.T @ self._weights,
            variance,
            own_bend - 2 * bend.T @ (self._inverse.T @ half),
        )

    def _covariance(self, points: Array) -> tuple[Array, Array]:
        """With the points that results are known at, and with themselves."""
        distance = np.sqrt(_squares(points / self._scales, self._scaled))
        centred = 2.0 * points - 1.0
        along = centred @ self._centred.T / points.shape[1]
        norm = (centred**2).sum(1) / points.shape[1]
        cross = self._signal * (1 + ROOT5 * distance + 5 / 3 * distance**2) * np.exp(-ROOT5 * distance)
        cross += self._linear * along + self._quadratic * along**2
        return cross, self._signal + self._linear * norm + self._quadratic * norm**2


def _squares(left: Array, right: Array) -> Any:
    """Squared distances between all pairs."""
    found = (left**2).sum(1)[:, None] + (right**2).sum(1)[None] - 2 * left @ right.T
    return np.maximum(found, 0.0, out=found)
