"""The models of bayesian optimisation: scikit-optimize's estimators and acquisition functions, without its optimiser.

`skopt.Optimizer` keeps a state that we would have to rebuild for each suggestion, fits a model at every `tell`, restarts
each fit twice, compares three acquisition functions over 10,000 points, proposes a point twice when asked twice, and is
broken for good by one NaN. Its estimators are sound. They are used here for one fit and one prediction at a time, with
the three costs removed that grow fastest: restarts, hyperparameters fitted anew for each single result, and a variance
computed with three matrices at once.

This is the only module that imports numpy, scikit-learn and scikit-optimize (together some 100 MiB): import it inside
functions that run in a worker.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any, Literal, Protocol

import numpy as np
import threadpoolctl  # type: ignore[import-untyped]
from numpy.typing import NDArray
from scipy import linalg
from skopt import acquisition, learning
from skopt.learning.gaussian_process import gpr, kernels

Estimator = Literal["GP", "RF", "ET"]
Acquisition = Literal["EI", "PI", "LCB"]
Points = tuple[tuple[float, ...], ...]
Targets = tuple[float, ...]
Lesson = tuple[Points, Targets]
"""Trials as a model sees them: where, and how well they did; smaller targets are better."""
Array = NDArray[np.float64]

MOST_SCALES = 24
"""Columns beyond which they share one length scale: that many scales cannot be learnt from so few results."""

TREES, LEAF, SPREAD = 50, 1, 1e-4
"""The forests: number of trees, results in a leaf, least variance in a leaf."""

LEAST_NOISE = 1e-8
"""Keeps the covariance of points that nearly coincide invertible."""

_threads = threadpoolctl.ThreadpoolController()


class Model(Protocol):
    """A fitted estimator."""

    def predict(self, X: Array, return_std: bool = False) -> Any:  # noqa: N803  scikit-learn's name
        """The mean at each point, and its standard deviation if asked for."""


class Surrogate:
    """What is believed about the objective, after the results and with the pending trials imagined."""

    def __init__(self, model: Model, best: float) -> None:
        self._model = model
        self._best = best

    def utilities(self, points: Points, kind: Acquisition, xi: float, kappa: float) -> list[float]:
        """How much a trial at each point promises; higher is better. `xi` is in standard deviations of the targets."""
        features = np.asarray(points)
        with _threads.limit(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            match kind:
                case "EI":
                    found = acquisition.gaussian_ei(features, self._model, self._best, xi)
                case "PI":
                    found = acquisition.gaussian_pi(features, self._model, self._best, xi)
                case "LCB":
                    found = -acquisition.gaussian_lcb(features, self._model, kappa)
        return [float(utility) for utility in found]


def fit(kind: Estimator, seed: int, prior: Lesson, told: Lesson, pending: Points) -> Surrogate:
    """A surrogate for the targets that were `told` (to be minimised, of order one) at points of the unit cube.

    The kernel's hyperparameters are fitted to `prior` instead, an earlier part of the results: as long as it is the
    same, so are they, and a process that saw it before does not fit them again. Pending trials are told what the model
    expects of them: that leaves the mean as it is, and only what is better than they promise counts as an improvement.
    """
    points, targets = told
    with _threads.limit(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _learn(kind, seed, prior, told)
        if pending:
            targets += tuple(float(lie) for lie in model.predict(np.asarray(pending)))
            model = _learn(kind, seed, prior, (points + pending, targets))
    return Surrogate(model, min(targets))


def _learn(kind: Estimator, seed: int, prior: Lesson, told: Lesson) -> Model:
    points, targets = np.asarray(told[0]), np.asarray(told[1])
    match kind:
        case "GP":
            kernel, noise = _hyperparameters(*prior)
            model = _Process(kernel=kernel, alpha=noise, optimizer=None, normalize_y=True)
        case "RF":
            model = learning.RandomForestRegressor(TREES, min_samples_leaf=LEAF, min_variance=SPREAD, random_state=seed)
        case "ET":
            model = learning.ExtraTreesRegressor(TREES, min_samples_leaf=LEAF, min_variance=SPREAD, random_state=seed)
    fitted: Model = model.fit(points, targets)
    return fitted


@functools.lru_cache(maxsize=32)
def _hyperparameters(points: Points, targets: Targets) -> tuple[kernels.Kernel, float]:
    """The most likely kernel, and the variance of the noise relative to the targets'."""
    columns = len(points[0])
    scales = np.ones(columns if columns <= MOST_SCALES else 1)
    kernel = kernels.ConstantKernel(1.0, (0.01, 1000.0)) * kernels.Matern(scales, (0.01, 100.0), nu=2.5)
    fitted = gpr.GaussianProcessRegressor(kernel, normalize_y=True, noise="gaussian")
    fitted.fit(np.asarray(points), np.asarray(targets))
    return fitted.kernel_.k1, max(float(fitted.noise_), LEAST_NOISE)


class _Process(gpr.GaussianProcessRegressor):  # type: ignore[misc]
    """The variance by one triangular solve, where scikit-optimize multiplies three matrices element by element."""

    def predict(self, X: Array, return_std: bool = False) -> Any:  # noqa: N803  scikit-learn's name
        cross = self.kernel_(X, self.X_train_)
        mean = self.y_train_std_ * (cross @ self.alpha_) + self.y_train_mean_
        if not return_std:
            return mean
        explained = linalg.solve_triangular(self.L_, cross.T, lower=True, check_finite=False)
        variance = self.kernel_.diag(X) - np.einsum("ij,ij->j", explained, explained)
        return mean, self.y_train_std_ * np.sqrt(np.maximum(variance, 0.0))
