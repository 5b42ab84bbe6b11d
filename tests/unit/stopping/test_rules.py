"""Each rule decides as its paper says."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from tuning_operator.api import job
from tuning_operator.stopping import case, curve, halving, rule


@dataclasses.dataclass
class Record:
    """What is recorded of the other trials."""

    ended: Sequence[curve.Curve] = ()
    entries: Sequence[case.Entry] = ()

    def losses(self, rung: float, bracket: int) -> list[float]:
        return [entry.loss for entry in self.entries if (entry.rung, entry.bracket) == (rung, bracket)]

    def finished(self) -> Sequence[curve.Curve]:
        return self.ended


EMPTY = Record()


def peer(number: int, *losses: float, **fields: Any) -> case.Contender:
    return case.Contender(number, curve.Curve.of(*losses), **fields)


def judge(
    name: str,
    trial: case.Contender,
    record: case.Record = EMPTY,
    settings: dict[str, Any] | None = None,
    **fields: Any,
) -> case.Verdict:
    known = rule.RULES[name]
    model = known.settings.model_validate(settings or {})
    return known.judge(case.Case(trial, record, settings=model, **fields))


def stopped(verdict: case.Verdict) -> bool:
    return verdict.stop is not None


class TestMedian:
    """Golovin et al. 2017: strictly worse than the median of the running averages, by the same step."""

    others = Record([curve.Curve.of(4, 2, 3), curve.Curve.of(9, 9, 9), curve.Curve.of(1, 1, 1)])

    @pytest.mark.parametrize(
        ("losses", "settings", "expected"),
        [
            pytest.param((5, 5, 5), {"start_step": 3}, True, id="5 > the median of 3, 9 and 1"),
            pytest.param((5, 5, 3), {"start_step": 3}, False, id="its best is as good as the median"),
            pytest.param((2, 9, 9), {"start_step": 3}, False, id="its best counts, not its last"),
            pytest.param((5, 5), {"start_step": 3}, False, id="before start_step"),
            pytest.param((5, 5, 5), {"start_step": 3, "min_trials_required": 4}, False, id="too few have ended"),
            pytest.param((5, 5, 5, 5), {"start_step": 3}, False, id="nobody else came that far"),
        ],
    )
    def test_compares_with_running_averages(
        self, losses: tuple[float, ...], settings: dict[str, Any], expected: bool
    ) -> None:
        assert stopped(judge("median", peer(9, *losses), self.others, settings)) is expected

    def test_it_says_what_it_compared(self) -> None:
        stop = judge("median", peer(9, 5, 5, 5), self.others, {"start_step": 3}).stop
        assert stop is not None
        assert (stop.step, stop.loss, stop.bound) == (3, 5, 3)

    def test_katibs_name_is_the_same_rule(self) -> None:
        wanted = {"min_trials_required": 3, "start_step": 3}
        assert stopped(judge("medianstop", peer(9, 5, 5, 5), self.others, wanted))


def at_rung(step: float, *losses: float) -> Record:
    return Record(entries=[case.Entry(step, loss) for loss in losses])


class TestAsha:
    """Li et al. 2020, the variant that stops: one in `reduction_factor` goes on from each rung."""

    @pytest.mark.parametrize(
        ("loss", "before", "expected"),
        [
            pytest.param(9, [], False, id="the first goes on"),
            pytest.param(9, [1], False, id="two are too few to choose one in three"),
            pytest.param(9, [1, 2], True, id="the worst of three ends"),
            pytest.param(1, [2, 9], False, id="the best of three goes on"),
            pytest.param(2, [1, 9, 9, 9], False, id="the second of five is within the interpolated quantile"),
            pytest.param(3, [1, 2, 9, 9], True, id="the third of five is not"),
            pytest.param(1, [1, 1, 1], False, id="ties go on"),
            pytest.param(math.inf, [1], True, id="diverged: even among two"),
            pytest.param(5, [math.inf, math.inf], False, id="the only one that has not diverged"),
        ],
    )
    def test_the_best_part_goes_on(self, loss: float, before: list[float], expected: bool) -> None:
        trial = case.Contender(0, curve.Curve((1.0,), (loss,)) if math.isfinite(loss) else curve.Curve(diverged_at=1.0))
        verdict = judge("asha", trial, at_rung(1, *before))
        assert stopped(verdict) is expected
        assert verdict.entries == (case.Entry(1, loss),)

    @pytest.mark.parametrize(
        ("settings", "max_steps", "reached", "expected"),
        [
            pytest.param({}, None, 100, [1, 3, 9, 27, 81], id="the paper's rungs: r = 1, R = 81, a factor of 3"),
            pytest.param({}, 81, 81, [1, 3, 9, 27], id="the last step is no rung: a trial is done there"),
            pytest.param({"reduction_factor": 4, "grace_steps": 2}, 64, 64, [2, 8, 32], id="other settings"),
            pytest.param({}, 81, 8.5, [1, 3], id="as far as the trial came"),
        ],
    )
    def test_rungs(
        self, settings: dict[str, Any], max_steps: float | None, reached: float, expected: list[float]
    ) -> None:
        trial = case.Contender(0, curve.Curve((reached,), (1.0,)))
        assert [entry.rung for entry in judge("asha", trial, settings=settings, max_steps=max_steps).entries] == [
            pytest.approx(rung) for rung in expected
        ]

    def test_what_was_decided_is_not_decided_again(self) -> None:
        trial = peer(0, 9, 9, 9, entries=(case.Entry(1, 9), case.Entry(3, 9)))
        assert judge("asha", trial, at_rung(1, 1, 2, 3)) == case.GO_ON

    def test_an_end_at_a_rung_is_the_last_entry(self) -> None:
        verdict = judge(
            "asha", peer(0, *[9] * 30), Record(entries=[*at_rung(1, 10, 11).entries, *at_rung(3, 1, 2).entries])
        )
        assert [entry.rung for entry in verdict.entries] == [1, 3]
        assert stopped(verdict)

    def test_the_value_at_a_rung_is_the_one_of_the_rung(self) -> None:
        assert judge("asha", peer(0, 5, 4, 3)).entries == (case.Entry(1, 5), case.Entry(3, 3))

    @pytest.mark.parametrize(
        ("counts", "expected"),
        [(job.From.BEST, 1), (job.From.LAST, 4), (job.From.MEAN, 4), (job.From.WORST, 7)],
        ids=str,
    )
    def test_a_value_counts_as_the_objective_says(self, counts: job.From, expected: float) -> None:
        assert judge("asha", peer(0, 1, 7, 4), counts=counts).entries[-1].loss == expected

    @hypothesis.given(
        st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=12), min_size=1, max_size=12),
        st.floats(2, 5),
        st.randoms(use_true_random=False),
    )
    def test_whenever_it_is_looked_at_each_rung_is_entered_once(
        self, losses: list[list[float]], factor: float, rng: Any
    ) -> None:
        peers = {number: case.Contender(number) for number in range(len(losses))}
        ended: set[int] = set()
        record = Record(entries=[])
        for _ in range(60):
            number = rng.randrange(len(losses))
            if number in ended:
                continue
            known = peers[number]
            seen = losses[number][: len(known.curve) + rng.randint(0, 3)]
            trial = dataclasses.replace(known, curve=curve.Curve.of(*seen))
            verdict = judge("asha", trial, record, {"reduction_factor": factor})
            peers[number] = dataclasses.replace(trial, entries=(*trial.entries, *verdict.entries))
            record = Record(entries=[*record.entries, *verdict.entries])
            again = judge("asha", peers[number], record, {"reduction_factor": factor})
            assert stopped(verdict) or again == case.GO_ON
            if stopped(verdict):
                ended.add(number)
        for known in peers.values():
            rungs = [entry.rung for entry in known.entries]
            assert rungs == sorted(set(rungs))


class TestHyperband:
    """Li et al. 2018, table 1: for R = 81 and a factor of 3 there are five brackets."""

    @pytest.mark.parametrize(
        ("settings", "max_steps", "expected"),
        [
            pytest.param({}, 81, (81, 27, 9, 6, 5), id="table 1"),
            pytest.param({"brackets": 2}, 81, (81, 27), id="the first two"),
            pytest.param({"brackets": 9}, 9, (9, 3, 3), id="no more than fit"),
            pytest.param({"grace_steps": 100}, 9, (1,), id="no rung at all"),
        ],
    )
    def test_bracket_sizes(self, settings: dict[str, Any], max_steps: float, expected: tuple[int, ...]) -> None:
        assert halving.sizes(halving.Brackets.model_validate(settings), max_steps) == expected

    def test_brackets_fill_in_proportion(self) -> None:
        shares = (81, 27, 9, 6, 5)
        for first in (0, 1000):
            taken = [halving.bracket(number, shares) for number in range(first, first + 128)]
            assert all(abs(taken.count(index) - share) <= 3 for index, share in enumerate(shares))

    def test_a_later_bracket_begins_a_rung_later_and_competes_alone(self) -> None:
        settings, shares = {"brackets": 2}, (81, 27)
        number = next(number for number in range(100) if halving.bracket(number, shares) == 1)
        crowd = at_rung(3, 1, 2, 3)
        verdict = judge("hyperband", peer(number, 9, 9, 9), crowd, settings, max_steps=81)
        assert verdict == case.Verdict((case.Entry(3, 9, 1),))


@pytest.mark.parametrize(
    ("losses", "settings", "expected"),
    [
        pytest.param((5, 4, 4, 4), {"patience_steps": 2}, True, id="nothing better for two steps"),
        pytest.param((5, 4, 4), {"patience_steps": 2}, False, id="not yet"),
        pytest.param((5, 4.0, 3.95, 3.9), {"patience_steps": 2, "min_delta": 0.5}, True, id="too little better"),
        pytest.param((5, 4, 3, 2), {"patience_steps": 1}, False, id="better each time"),
        pytest.param((5, 5, 5, 5), {"patience_steps": 2, "start_step": 5}, False, id="before start_step"),
    ],
)
def test_patience(losses: tuple[float, ...], settings: dict[str, Any], expected: bool) -> None:
    assert stopped(judge("patience", peer(0, *losses), settings=settings)) is expected


@pytest.mark.parametrize(
    ("sign", "losses", "settings", "expected"),
    [
        pytest.param(1, (5, 4), {"bound": 3}, True, id="worse"),
        pytest.param(1, (5, 2), {"bound": 3}, False, id="better"),
        pytest.param(-1, (-0.5,), {"bound": 0.6}, True, id="an accuracy below the bound"),
        pytest.param(-1, (-0.7,), {"bound": 0.6}, False, id="an accuracy above it"),
        pytest.param(1, (5,), {"bound": 3, "start_step": 2}, False, id="before start_step"),
    ],
)
def test_threshold(sign: float, losses: tuple[float, ...], settings: dict[str, Any], expected: bool) -> None:
    assert stopped(judge("threshold", peer(0, *losses), settings=settings, sign=sign)) is expected


@pytest.mark.parametrize("name", sorted(rule.RULES))
def test_no_rule_stops_a_trial_that_has_reported_nothing(name: str) -> None:
    settings = {"bound": 0.0} if name == "threshold" else {}
    assert (
        judge(name, case.Contender(0), Record([curve.Curve.of(1), curve.Curve.of(2)]), settings, max_steps=27.0)
        == case.GO_ON
    )
