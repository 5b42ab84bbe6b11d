"""`TuningSearchCV` is an estimator as scikit-learn wants one, and finds the same here and in trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from tuning_operator import sdk

SPACE = {"C": (0.01, 100.0, "log-uniform"), "kernel": ["rbf", "linear"], "shrinking": [True, False]}


def search(estimator: Any = None, spaces: Any = None, **fields: Any) -> Any:
    how: dict[str, Any] = {"n_iter": 4, "algorithm": "random", "random_state": 1, "cv": 3}
    return sdk.TuningSearchCV(estimator or SVC(), spaces or SPACE, **{**how, **fields})


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [
        search(LogisticRegression(), {"C": (0.1, 10.0, "log-uniform")}, n_iter=2, cv=2),
        search(Ridge(), {"alpha": (0.1, 10.0)}, n_iter=2, cv=2, algorithm="bayesian"),
    ],
    # scikit-learn's own GridSearchCV and RandomizedSearchCV have the same exception, and for the same reason.
    expected_failed_checks=lambda estimator: (
        {"check_supervised_y_2d": "DataConversionWarning not caught"} if isinstance(estimator.estimator, Ridge) else {}
    ),
)
def test_scikit_learns_own_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_trials_find_what_fits_in_this_process_find(tmp_path: Path) -> None:
    x, y = load_iris(return_X_y=True)
    here = search().fit(x, y)
    local = search(where="local", state=str(tmp_path), parallel=2).fit(x, y)
    # The results that a proposal knows have no influence on a random one.
    assert local.cv_results_["params"] == here.cv_results_["params"]
    for column in ("mean_test_score", "split0_test_score", "std_test_score", "rank_test_score"):
        assert list(local.cv_results_[column]) == pytest.approx(list(here.cv_results_[column]))
    assert (local.best_params_, local.best_index_) == (here.best_params_, here.best_index_)
    assert local.predict(x[:3]).tolist() == here.predict(x[:3]).tolist()
    assert local.n_features_in_ == 4


def test_several_metrics_and_train_scores_of_trials(tmp_path: Path) -> None:
    x, y = load_iris(return_X_y=True)
    found = search(
        where="local",
        state=str(tmp_path),
        n_iter=2,
        scoring=["accuracy", "f1_macro"],
        refit="f1_macro",
        return_train_score=True,
    ).fit(x, y)
    assert found.multimetric_
    assert numpy.isfinite(found.cv_results_["mean_train_accuracy"]).all()
    assert found.best_score_ == found.cv_results_["mean_test_f1_macro"].max()


def test_a_model_learns_from_the_results() -> None:
    x, y = load_iris(return_X_y=True)
    found = search(
        make_pipeline(StandardScaler(), SVC()),
        {"svc__C": sdk.real(1e-4, 1e4, log=True), "svc__gamma": sdk.real(1e-4, 1e4, log=True)},
        n_iter=12,
        n_points=2,
        algorithm="bayesian",
        settings={"n_initial_points": 6, "n_candidates": 100},
    ).fit(x, y)
    assert found.best_score_ > 0.94
    assert set(found.best_params_) == {"svc__C", "svc__gamma"}


def test_a_finite_space_is_searched_once() -> None:
    x, y = load_iris(return_X_y=True)
    found = search(spaces={"kernel": ["rbf", "linear"]}, n_iter=9, algorithm="grid").fit(x, y)
    assert [one["kernel"] for one in found.cv_results_["params"]] == ["rbf", "linear"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"where": "moon"}, "'moon' is no place; write here, local or cluster", id="place"),
        pytest.param({"where": "cluster"}, "image: on a cluster a trial needs an image", id="image"),
        pytest.param({"where": "local", "cv": 40}, "cv: a trial reports at most 19 splits", id="splits"),
        pytest.param({"algorithm": "nope"}, "spec.search.algorithm: nope is not a known algorithm", id="algorithm"),
        pytest.param({"spaces": {"C": "log"}}, "C: a text is no range", id="space"),
    ],
)
def test_what_cannot_be_is_told(fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    x, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        search(**{"state": str(tmp_path), **fields}).fit(x, y)
    assert message in str(caught.value)
