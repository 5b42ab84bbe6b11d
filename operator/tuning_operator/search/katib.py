"""Katib's names for what we have too, so that its users find what they know.

| Katib | here |
|---|---|
| `random`, `grid`, `tpe`, `multivariate-tpe`, `cmaes`, `sobol` | the same |
| `bayesianoptimization` | `bayesian` |
| setting `random_state` | `search.seed`, or as a setting of the same name, which then counts |
| setting `n_EI_candidates` | `n_ei_candidates` |
| setting `acq_optimizer` | `auto` or `sampling`: what we do |

`hyperband`, `pbt` and `medianstop` end trials early or change them while they run: see `earlyStopping`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

ALGORITHMS = {"bayesianoptimization": "bayesian"}
SETTINGS = {"n_EI_candidates": "n_ei_candidates"}
SEED = "random_state"

Settings = Mapping[str, bool | int | float | str]


@dataclasses.dataclass(frozen=True)
class Search:
    """An algorithm, its settings and the seed that they name, in our words."""

    algorithm: str
    settings: Settings
    seed: int | None = None


def ours(algorithm: str, settings: Settings) -> Search:
    """The same search in our words; what is ours already is left as it is."""
    renamed = {SETTINGS.get(name, name): value for name, value in settings.items()}
    seed = renamed.get(SEED)
    if isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**31:
        del renamed[SEED]
        return Search(ALGORITHMS.get(algorithm, algorithm), renamed, seed)
    return Search(ALGORITHMS.get(algorithm, algorithm), renamed)
