"""Records the learning curves: ``python -m benchmarks.stopping.record [TASK ...]`` trains for about ten minutes.

Two tasks on data that comes with scikit-learn, so that nothing has to be fetched: a neural network that learns noisy
handwritten digits, epoch by epoch, and gradient boosting that learns the progression of diabetes, tree by tree. Each
configuration is drawn at random from a space such as people search, bad corners included, and is really trained.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets, ensemble, metrics, model_selection, neural_network, preprocessing

STEPS = 27
CONFIGURATIONS = 500
DIGITS = 4

Curve = Iterator[float]


def digits(rng: np.random.Generator) -> tuple[dict[str, Any], Curve]:
    """Error of a multi-layer perceptron on 600 noisy digits, after each of 27 epochs on 600 others."""
    chosen = {
        "learning_rate": 10 ** rng.uniform(-4.5, -0.5),
        "alpha": 10 ** rng.uniform(-6, 0),
        "batch_size": int(2 ** rng.integers(3, 9)),
        "width": int(2 ** rng.uniform(2, 8)),
        "layers": int(rng.integers(1, 4)),
    }
    return chosen, _perceptron(chosen)


def _perceptron(chosen: dict[str, Any]) -> Curve:
    inputs, labels = datasets.load_digits(return_X_y=True)
    noise = np.random.default_rng(0)
    inputs = inputs / 16 + noise.normal(0, 0.35, inputs.shape)
    train, rest, train_labels, rest_labels = model_selection.train_test_split(
        inputs, labels, train_size=600, random_state=0, stratify=labels
    )
    model = neural_network.MLPClassifier(
        hidden_layer_sizes=(chosen["width"],) * chosen["layers"],
        learning_rate_init=chosen["learning_rate"],
        alpha=chosen["alpha"],
        batch_size=chosen["batch_size"],
        random_state=1,
    )
    for _ in range(STEPS):
        model.partial_fit(train, train_labels, classes=np.unique(labels))
        yield 1 - model.score(rest[:600], rest_labels[:600])


def diabetes(rng: np.random.Generator) -> tuple[dict[str, Any], Curve]:
    """Mean absolute error of gradient boosting on held-out patients, after each tenth of 270 trees."""
    chosen = {
        "learning_rate": 10 ** rng.uniform(-3, 0),
        "max_depth": int(rng.integers(1, 9)),
        "subsample": rng.uniform(0.1, 1.0),
        "max_features": rng.uniform(0.1, 1.0),
        "min_samples_leaf": int(2 ** rng.uniform(0, 6)),
    }
    return chosen, _boosting(chosen)


def _boosting(chosen: dict[str, Any]) -> Curve:
    inputs, target = datasets.load_diabetes(return_X_y=True)
    inputs = preprocessing.StandardScaler().fit_transform(inputs)
    train, held, train_target, held_target = model_selection.train_test_split(
        inputs, target, test_size=0.5, random_state=0
    )
    model = ensemble.GradientBoostingRegressor(n_estimators=10 * STEPS, random_state=1, **chosen)
    model.fit(train, train_target)
    for trees, predicted in enumerate(model.staged_predict(held), 1):
        if trees % 10 == 0:
            yield float(metrics.mean_absolute_error(held_target, predicted))


TASKS: dict[str, Callable[[np.random.Generator], tuple[dict[str, Any], Curve]]] = {
    "digits": digits,
    "diabetes": diabetes,
}


def record(name: str) -> dict[str, Any]:
    """The curves of one task, and how long one step of each took compared with the others."""
    rows, seconds = [], []
    for number in range(CONFIGURATIONS):
        _, curve = TASKS[name](np.random.default_rng([number, len(name)]))
        began = time.process_time()
        rows.append([float(f"{value:.{DIGITS}g}") for value in curve])
        seconds.append(time.process_time() - began)
        if number % 50 == 0:
            print(f"{name}: {number} of {CONFIGURATIONS}", file=sys.stderr)
    usual = float(np.median(seconds))
    pace = [round(min(4.0, max(0.25, each / usual)), 2) for each in seconds]
    return {"task": name, "goal": "minimize", "steps": STEPS, "pace": pace, "curves": rows}


def main() -> None:
    """Record the tasks that are named, or all of them."""
    warnings.simplefilter("ignore")
    for name in sys.argv[1:] or TASKS:
        text = json.dumps(record(name), separators=(",", ":")).replace("],[", "],\n[")
        (Path(__file__).parent / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
