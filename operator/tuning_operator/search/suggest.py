"""The way into the search layer: one pure function from what is known to the configuration to try next.

It adds to the samplers what holds for all of them: points to start from, and that nothing is proposed twice.
"""

from __future__ import annotations

import dataclasses

from tuning_operator.api import trial
from tuning_operator.search import belief, katib, randomly, sampler
from tuning_operator.search.check import check
from tuning_operator.search.request import Exhausted, Outcome, Pending, Request, Result, Suggestion
from tuning_operator.search.space import Infeasible

__all__ = ["Exhausted", "Infeasible", "Outcome", "Pending", "Request", "Result", "Suggestion", "check", "suggest"]


def suggest(request: Request) -> Suggestion:
    """The configuration of trial `request.number`; the same request gives the same one in any process.

    Trial n takes the n-th point of `start_from`, with parameters that it leaves out sampled, unless that was proposed
    before. Then parameters' priors are followed, by fewer and fewer trials. Raises Exhausted when every configuration
    has been proposed, Infeasible when the constraints allow none, and LookupError when there is no such algorithm here
    (any more).
    """
    request = _ours(request)
    if (given := _start(request) or _hint(request)) is not None:
        return given
    chosen = sampler.find(request.algorithm)
    if chosen is None:
        raise LookupError(
            f"{request.algorithm} is not a known algorithm; is the package that brings it still installed?"
        )
    suggestion = chosen.propose(request)
    if request.space.key(suggestion.configuration) in request.used:
        return Suggestion(randomly.unused(request), trial.Origin.RANDOM, "random", "its choice was proposed before")
    return suggestion


def _ours(request: Request) -> Request:
    search = katib.ours(request.algorithm, request.settings)
    seed = request.seed if search.seed is None else search.seed
    return dataclasses.replace(request, algorithm=search.algorithm, settings=search.settings, seed=seed)


def _start(request: Request) -> Suggestion | None:
    if request.number >= len(request.start_from):
        return None
    space = request.space
    given = {
        slot.name: value
        for slot in space.slots
        if (value := slot.dimension.coerce(request.start_from[request.number].get(slot.name))) is not None
    }
    try:
        return Suggestion(randomly.unused(request, given), trial.Origin.START_FROM)
    except (Exhausted, Infeasible):
        return None


def _hint(request: Request) -> Suggestion | None:
    """A configuration where the user expects the best one; None where it is not time for one, or none is new there."""
    after, rng = request.number - len(request.start_from), request.rng("prior")
    if after > 0 and rng.random() >= belief.share(after):
        return None
    hinted = request.space.hint(rng, centre=after <= 0)
    if hinted is None or request.space.key(hinted) in request.used:
        return None
    return Suggestion(hinted, trial.Origin.PRIOR)
