"""The questions that are asked, and how one is timed: what the search's process imports."""

from __future__ import annotations

import math
import random
import resource
import time
from typing import Any

from tuning_operator.api import job
from tuning_operator.search import suggest
from tuning_operator.search.dimension import Configuration
from tuning_operator.search.space import Space


def space() -> Space:
    """Eight parameters of all kinds."""
    parameters: list[dict[str, Any]] = [
        *({"name": f"x{index}", "type": "float", "min": -5, "max": 5} for index in range(3)),
        {"name": "rate", "type": "float", "min": 1e-5, "max": 1, "scale": "log"},
        {"name": "layers", "type": "int", "min": 1, "max": 12},
        {"name": "width", "type": "int", "min": 16, "max": 2048, "scale": "log"},
        {"name": "kind", "type": "categorical", "values": ["a", "b", "c"]},
        {"name": "momentum", "type": "float", "min": 0, "max": 1, "step": 0.01},
    ]
    spec = {"objectives": [{"metric": "loss", "goal": "minimize"}], "parameters": parameters, "template": {}}
    return Space.from_spec(job.JobSpec.model_validate(spec))


def loss(one: Configuration) -> float:
    """Smooth, with a valley and a best choice; any value may come twice."""
    bent = sum((float(one[f"x{index}"]) - index) ** 2 for index in range(3))
    rate, width = math.log10(float(one["rate"])), math.log2(float(one["width"]))
    kind = {"a": 0.3, "b": 0.0, "c": 1.0}[str(one["kind"])]
    return bent / 10 + (rate + 3) ** 2 + (width - 7) ** 2 / 4 + kind + abs(float(one["layers"]) - 5) / 5


def history(algorithm: str, count: int, pending: int, seed: int) -> suggest.Request:
    """A job that has come so far: half of its trials at random, half near the best, as those of a search are."""
    of, rng = space(), random.Random(seed)
    drawn: dict[Any, Configuration] = {}
    while len(drawn) < count + pending:
        one = of.sample(rng)
        if len(drawn) % 2 and drawn:
            centre = min(rng.sample(list(drawn.values()), min(len(drawn), 10)), key=loss)
            one = {**centre, "x0": one["x0"], "rate": one["rate"]}
        drawn.setdefault(of.key(one), one)
    trials = list(drawn.values())
    return suggest.Request(
        space=of,
        goals=(job.Goal.MINIMIZE,),
        algorithm=algorithm,
        settings={},
        seed=seed,
        number=count + pending,
        results=tuple(
            suggest.Result(n, trials[n], suggest.Outcome.SUCCEEDED, (loss(trials[n]),)) for n in range(count)
        ),
        pending=tuple(suggest.Pending(n, trials[n]) for n in range(count, count + pending)),
    )


def timed(request: suggest.Request) -> tuple[suggest.Suggestion, float, float]:
    """The suggestion, its processor time in seconds, and the most memory that its process has had, in MiB."""
    begin = time.process_time()
    suggestion = suggest.suggest(request)
    return suggestion, time.process_time() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
