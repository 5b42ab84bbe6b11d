"""`TuningSearchCV`: scikit-learn's way to tune an estimator, with this product's samplers and its trials."""

from __future__ import annotations

import io
import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import joblib
import numpy
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import indexable

from tuning_operator.api import job, manifest
from tuning_operator.sdk import building, spaces, tuning
from tuning_operator.search import space as search_space
from tuning_operator.search import suggest

OBJECTIVE = "mean_test_score"
PAYLOAD = "payload.joblib"
MOST_METRICS = 60
"""A trial keeps 64 metrics."""

PROGRAM = '''\
"""Written by tuning_operator.sdk: cross-validates an estimator, once for each trial."""
import json
import os
import pathlib

import joblib
import numpy
from sklearn.base import clone
from sklearn.model_selection import cross_validate

payload = joblib.load(pathlib.Path(__file__).with_name("payload.joblib"))
given = json.loads(os.environ["TUNING_PARAMETERS"])
values, names = payload["values"], payload["names"]
parameters = {names[key]: values[key][str(value)] if key in values else value for key, value in given.items()}
estimator = clone(payload["estimator"]).set_params(**clone(parameters, safe=False))
found = cross_validate(estimator, payload["X"], payload["y"], cv=payload["splits"], **payload["settings"])
row = {
    f"split{index}_{name}": float(value)
    for name, column in found.items()
    for index, value in enumerate(numpy.asarray(column, dtype=float))
}
row["mean_test_score"] = float(numpy.mean(found["test_" + payload["metric"]]))
with open(os.environ["TUNING_METRICS_FILE"], "a") as file:
    file.write(json.dumps(row) + "\\n")
'''


class TuningSearchCV(BaseSearchCV):  # type: ignore[misc]
    """Searches an estimator's parameters by cross-validation; used as scikit-learn's RandomizedSearchCV.

    `search_spaces` is as for `space`: names of parameters to ranges, choices and distributions. `algorithm` is one of the
    product's samplers. `where` is "here" (fits in this process, `n_jobs` at a time, `n_points` configurations a round),
    "local" (each configuration is a trial in a process of its own, `parallel` at a time) or "cluster" (each is a Pod; estimator
    and data travel in a ConfigMap, and `image` needs scikit-learn and joblib). All else is as in scikit-learn.
    """

    _parameter_constraints: dict[str, Any] = dict(BaseSearchCV._parameter_constraints)

    def __init__(
        self,
        estimator: Any,
        search_spaces: Any,
        *,
        n_iter: int = 20,
        algorithm: str = "bayesian",
        settings: Mapping[str, Any] | None = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        n_points: int = 1,
        refit: bool | str = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        random_state: int | None = None,
        error_score: float | str = numpy.nan,
        return_train_score: bool = False,
        where: str = "here",
        parallel: int = 1,
        image: str = "",
        requirements: Sequence[str] = (),
        resources: Mapping[str, Any] | None = None,
        name: str = "",
        namespace: str = "",
        context: str = "",
        state: str = ".tuning",
    ) -> None:
        self.search_spaces = search_spaces
        self.n_iter = n_iter
        self.algorithm = algorithm
        self.settings = settings
        self.n_points = n_points
        self.random_state = random_state
        self.where = where
        self.parallel = parallel
        self.image = image
        self.requirements = requirements
        self.resources = resources
        self.name = name
        self.namespace = namespace
        self.context = context
        self.state = state
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )

    def fit(self, X: Any, y: Any = None, **params: Any) -> TuningSearchCV:  # noqa: N803
        """Search, and fit the best configuration to all data."""
        if self.where == "here":
            super().fit(X, y, **params)
            return self
        if self.where not in ("local", "cluster"):
            raise ValueError(f"where: {self.where!r} is no place; write here, local or cluster")
        if params:
            raise ValueError(f"{', '.join(params)}: trials take no parameters of fit; use where='here'")
        return self._fit_by_trials(X, y)

    def _run_search(self, evaluate_candidates: Callable[..., Mapping[str, Any]]) -> None:
        """Proposes and evaluates, `n_points` at a time; each proposal knows all results before it."""
        space = spaces.space(self.search_spaces)
        wanted = self._spec(space, {"spec": {"containers": [{"name": "trial", "image": "here", "command": ["true"]}]}})
        asked = search_space.Space.from_spec(wanted)
        results: list[suggest.Result] = []
        while len(results) < self.n_iter:
            batch: list[suggest.Pending] = []
            while len(batch) < self.n_points and len(results) + len(batch) < self.n_iter:
                number = len(results) + len(batch)
                try:
                    found = suggest.suggest(_request(wanted, asked, number, results, batch))
                except suggest.Exhausted:
                    break
                batch.append(suggest.Pending(number, found.configuration))
            if not batch:
                return
            metric = self.refit if isinstance(self.refit, str) else "score"
            made = evaluate_candidates([space.arguments(one.configuration) for one in batch])
            column = made.get(f"mean_test_{metric}")
            if column is None:  # Several metrics, and no best one wanted: the first one leads.
                column = next(made[key] for key in made if key.startswith("mean_test_"))
            results += [_result(one, float(score)) for one, score in zip(batch, column[-len(batch) :], strict=True)]

    def _spec(self, space: spaces.Space, template: Mapping[str, Any]) -> job.JobSpec:
        return manifest.parse(self._manifest(space, template, "search")).spec

    def _manifest(self, space: spaces.Space, template: Mapping[str, Any], name: str) -> dict[str, Any]:
        return building.manifest(
            name,
            space,
            template,
            objective=OBJECTIVE,
            trials=self.n_iter,
            parallel=min(self.parallel, self.n_iter),
            failures=self.n_iter,
            algorithm=self.algorithm,
            settings=self.settings,
            seed=int(numpy.random.RandomState(self.random_state).randint(2**31 - 1))
            if not isinstance(self.random_state, int)
            else self.random_state % 2**31,
        )

    def _fit_by_trials(self, X: Any, y: Any) -> TuningSearchCV:  # noqa: N803
        scorers, metric = self._get_scorers()
        X, y = indexable(X, y)  # noqa: N806
        splitter = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = list(splitter.split(X, y))
        metric = metric if isinstance(metric, str) else "score"
        space = spaces.space(self.search_spaces)
        data = self._payload(space, X, y, splits, metric)
        name = self.name or f"search-{uuid.uuid4().hex[:6]}"
        trials = self._run(name, space, {tuning.PROGRAM: PROGRAM.encode(), PAYLOAD: data})
        self.n_splits_ = len(splits)
        out = [row for one in trials for row in _rows(one, splits, self.return_train_score)]
        candidates = [space.arguments({key: one[key] for key in space.names if one[key] is not None}) for one in trials]
        self.multimetric_ = isinstance(out[0]["test_scores"], dict)
        self.cv_results_ = self._format_results(candidates, len(splits), out)
        self.scorer_ = getattr(scorers, "_scorers", scorers)
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(self.refit, metric, self.cv_results_)
            self.best_score_ = self.cv_results_[f"mean_test_{metric}"][self.best_index_]
            self.best_params_ = candidates[self.best_index_]
        if self.refit:
            best = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
            self.best_estimator_ = best.fit(X) if y is None else best.fit(X, y)
            if hasattr(self.best_estimator_, "feature_names_in_"):
                self.feature_names_in_ = self.best_estimator_.feature_names_in_
        return self

    def _payload(self, space: spaces.Space, X: Any, y: Any, splits: list[Any], metric: str) -> bytes:  # noqa: N803
        columns = (2 if self.return_train_score else 1) * (
            len(self.scoring) if isinstance(self.scoring, list | tuple | dict | set) else 1
        )
        if (columns + 2) * len(splits) + 1 > MOST_METRICS:
            most = (MOST_METRICS - 1) // (columns + 2)
            raise ValueError(
                f"cv: a trial reports at most {most} splits of so many scores, and these are {len(splits)}"
            )
        stream = io.BytesIO()
        payload = {
            "estimator": self.estimator,
            "X": X,
            "y": y,
            "splits": splits,
            "metric": metric,
            "names": dict(space.names),
            "values": {name: dict(values) for name, values in space.values.items()},
            "settings": {
                "scoring": self.scoring,
                "return_train_score": self.return_train_score,
                "error_score": self.error_score,
            },
        }
        joblib.dump(payload, stream, compress=3)
        return stream.getvalue()

    def _run(self, name: str, space: spaces.Space, files: Mapping[str, bytes]) -> list[dict[str, Any]]:
        """Runs the job to its end; answers its trials with what each has reported, by number."""
        if self.where == "cluster":
            if not self.image:
                raise ValueError("image: on a cluster a trial needs an image with scikit-learn and joblib")
            template = tuning.pod(name, self.image, self.resources)
            document = self._manifest(space, template, name)
            running = tuning.submit(document, files, space, self.namespace, self.context)
        else:
            document = self._manifest(space, tuning.process(self.state, name), name)
            running = tuning.begin(document, files, space, self.state)
        running.wait(progress=self.verbose > 0)
        return running.reported()


def _request(
    spec: job.JobSpec,
    space: search_space.Space,
    number: int,
    results: list[suggest.Result],
    batch: list[suggest.Pending],
) -> suggest.Request:
    return suggest.Request(
        space=space,
        goals=tuple(objective.goal for objective in spec.objectives),
        algorithm=spec.search.algorithm,
        settings=spec.search.settings,
        seed=spec.search.seed,
        number=number,
        results=tuple(results),
        pending=tuple(batch),
    )


def _result(one: suggest.Pending, score: float) -> suggest.Result:
    if math.isfinite(score):
        return suggest.Result(one.number, one.configuration, suggest.Outcome.SUCCEEDED, (score,))
    return suggest.Result(one.number, one.configuration, suggest.Outcome.FAILED)


def _rows(one: Mapping[str, Any], splits: list[Any], train: bool) -> list[dict[str, Any]]:
    """A trial's splits as scikit-learn has them after a fit; a trial that failed has no scores."""
    reported: Mapping[str, float] = one["reported"]
    names = sorted({name.partition("_test_")[2] for name in reported if "_test_" in name and name.startswith("split")})
    rows = []
    for index, (_, test) in enumerate(splits):
        row: dict[str, Any] = {"fit_error": None, "n_test_samples": len(test)}
        for kind in ("test", "train") if train else ("test",):
            scores = {name: reported.get(f"split{index}_{kind}_{name}", numpy.nan) for name in names or ["score"]}
            row[f"{kind}_scores"] = scores["score"] if set(scores) == {"score"} else scores
        for name in ("fit_time", "score_time"):
            row[name] = reported.get(f"split{index}_{name}", numpy.nan)
        rows.append(row)
    return rows
