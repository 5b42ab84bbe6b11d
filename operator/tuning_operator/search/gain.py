"""How much a trial at a point promises: the expected improvement, in logarithms, with its gradient.

Far from the best results the improvement is less than a float can hold, and where all is zero there is no way up; its
logarithm is an ordinary number everywhere. Ament, Daulton, Eriksson, Balandat and Bakshy, Unexpected Improvements to
Expected Improvement for Bayesian Optimization, NeurIPS (2023).
"""

from __future__ import annotations

import numpy as np
from scipy import special

from tuning_operator.search.process import Array, Process

ASYMPTOTIC = -1e3
"""Below so many standard deviations the improvement is computed from its expansion."""


def logarithm(mean: Array, variance: Array, best: float) -> Array:
    """Log of the expected improvement on `best`, which is the less the better, for normal beliefs."""
    deviation = np.sqrt(variance)
    return _unit((best - mean) / deviation) + np.log(deviation)


def ascent(process: Process, point: Array, best: float) -> tuple[float, Array]:
    """The same at one point, with its gradient."""
    mean, mean_slope, variance, variance_slope = process.slope(point)
    deviation = float(np.sqrt(variance))
    z = (best - mean) / deviation
    gain = float(_unit(np.array([z]))[0])
    deviation_slope = variance_slope / (2 * deviation)
    z_slope = -mean_slope / deviation - z * deviation_slope / deviation
    return gain + float(np.log(deviation)), np.exp(special.log_ndtr(z) - gain) * z_slope + deviation_slope / deviation


def _unit(z: Array) -> Array:
    """log(phi(z) + z Phi(z)), to full precision for any z."""
    found = np.empty_like(z)
    high = z > -1
    found[high] = np.log(np.exp(-0.5 * z[high] ** 2) / np.sqrt(2 * np.pi) + z[high] * special.ndtr(z[high]))
    low = z[~high]
    rest = 1 + low * np.sqrt(np.pi / 2) * special.erfcx(-low / np.sqrt(2))
    rest = np.where(low < ASYMPTOTIC, low**-2.0, np.maximum(rest, 1e-300))
    found[~high] = -0.5 * low**2 - 0.5 * np.log(2 * np.pi) + np.log(rest)
    return found
