"""Asking the search for several configurations at once; runs in a worker process, so everything here is picklable."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tuning_operator.api import job, trial
from tuning_operator.search import insight, suggest, worker
from tuning_operator.search.dimension import Configuration
from tuning_operator.tuner import basis, results, state, warm

PATIENCE_SECONDS, PATIENCE_EACH_SECONDS = 30.0, 2.0
"""How long the search may take for an answer, and in addition for each configuration that it is asked for."""


def requests(
    owner: state.Job, trials: Sequence[state.Trial], wanted: Sequence[tuple[int, frozenset[int]]]
) -> tuple[suggest.Request, ...]:
    """One request for each wanted trial, made from the trials that exist."""
    earlier = warm.told(owner)
    return tuple(results.request(owner, trials, number, based_on, earlier) for number, based_on in wanted)


def subject(owner: state.Job, trials: Sequence[state.Trial]) -> suggest.Request:
    """All that is known of a job, as the subject of a study."""
    ended = frozenset(item.number for item in trials if item.is_finished())
    following = trials[-1].number + 1 if trials else 0
    return results.request(owner, trials, following, ended, warm.told(owner))


def studied(request: suggest.Request, trials: int) -> job.Insight:
    """The study of a subject, for the job's status; in a worker process."""
    found = insight.study(request)
    rounded = {name: round(share, 4) for name, share in found.importance.items()}
    return job.Insight(trials=trials, importance=rounded, improvement=found.gain)


def propose(batch: Sequence[suggest.Request]) -> tuple[suggest.Suggestion, ...]:
    """Answers in order; each answer is pending to the requests after it.

    Fewer answers than requests mean that the search space is exhausted, or that nothing more is found in it.
    """
    answers: list[suggest.Suggestion] = []
    proposed: list[suggest.Pending] = []
    for request in batch:
        if (again := _repeated(request, proposed)) is not None:
            answers.append(suggest.Suggestion(again, trial.Origin.REPEAT))
            continue
        try:
            answer = suggest.suggest(dataclasses.replace(request, pending=(*request.pending, *proposed)))
        except (suggest.Exhausted, suggest.Infeasible):
            break
        answers.append(answer)
        proposed.append(suggest.Pending(request.number, answer.configuration))
    return tuple(answers)


def _repeated(request: suggest.Request, proposed: Sequence[suggest.Pending]) -> Configuration | None:
    """The configuration that the request wants once more; None where it is for a new one, or that one was deleted."""
    if not request.repeat or request.again is not None:
        return request.again if request.repeat else None
    return next((one.configuration for one in proposed if one.number == request.number), None)


async def ask(search: worker.Worker, batch: Sequence[suggest.Request]) -> tuple[suggest.Suggestion, ...]:
    """The same from the worker's process. If that dies, or has not answered after the time that is its due, its successor answers at
    random, and says why: a model that is too slow or too large must not hold up trials for which there is room.
    """
    seconds = PATIENCE_SECONDS + PATIENCE_EACH_SECONDS * len(batch)
    try:
        return await search.run_within(seconds, propose, batch)
    except worker.Died as death:
        blind = [dataclasses.replace(request, algorithm="random", settings={}) for request in batch]
        answers = await search.run_within(seconds, propose, blind)
        return tuple(_blind(answer, str(death)) for answer in answers)


def _blind(answer: suggest.Suggestion, why: str) -> suggest.Suggestion:
    """What is random anyhow keeps what is said of it."""
    random = answer.origin is trial.Origin.RANDOM
    return dataclasses.replace(answer, algorithm="random", why=why) if random else answer


def proposals(
    wanted: Sequence[tuple[int, frozenset[int]]], answers: Sequence[suggest.Suggestion]
) -> dict[int, state.Proposal]:
    """The answers as proposals, by trial number."""
    return {
        number: state.Proposal(number, answer, based_on)
        for (number, based_on), answer in zip(wanted, answers, strict=False)
    }


def spec_of(proposal: state.Proposal, owner: state.Job) -> trial.TrialSpec:
    """The spec of the TuningTrial that records the proposal."""
    return trial.TrialSpec(
        job=trial.ParentJob(name=owner.name, uid=owner.uid),
        number=proposal.number,
        parameters=dict(proposal.suggestion.configuration),
        origin=proposal.suggestion.origin,
        algorithm=proposal.suggestion.algorithm,
        why=proposal.suggestion.why,
        based_on=basis.encode(proposal.based_on),
    )
