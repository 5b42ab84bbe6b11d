"""Search spaces of our own and of other libraries', made by those libraries themselves."""

from __future__ import annotations

import importlib
from typing import Any

import numpy
import optuna
import pytest
import scipy.stats
import skopt.space

from tuning_operator import sdk
from tuning_operator.tuner import admission


def wire(given: Any) -> dict[str, Any]:
    """The only parameter of a space, without its name and what is left at its default."""
    (parameter,) = sdk.space(given).parameters
    body = parameter.to_wire()
    assert body.pop("name") == "p"
    if body.get("scale") == "linear":
        del body["scale"]
    return body


def ray(form: str, *arguments: Any) -> Any:
    """A domain of Ray Tune's."""
    return getattr(pytest.importorskip("ray.tune", exc_type=ImportError), form)(*arguments)


FLOAT, INT, CHOICE = {"type": "float"}, {"type": "int"}, {"type": "categorical"}

OURS = {
    "real": (sdk.real(0.1, 1), FLOAT | {"min": 0.1, "max": 1}),
    "real, log": (sdk.real(1e-4, 1, log=True), FLOAT | {"min": 1e-4, "max": 1, "scale": "log"}),
    "integer with step": (sdk.integer(2, 8, step=2), INT | {"min": 2, "max": 8, "step": 2}),
    "choice": (sdk.choice("a", 2), CHOICE | {"values": ["a", 2]}),
    "ordinal": (sdk.ordinal(16, 32), {"type": "ordinal", "values": [16, 32]}),
    "list": ([1, "a"], CHOICE | {"values": [1, "a"]}),
    "list of all kinds": ([True, None, 0.5, (1, 2)], CHOICE | {"values": ["True", "None", "0.5", "(1, 2)"]}),
    "alike as text": ([1, "1", 1.0], CHOICE | {"values": [1, "1#2", "1.0"]}),
    "two floats": ((0.1, 2.0), FLOAT | {"min": 0.1, "max": 2.0}),
    "two ints": ((1, 8), INT | {"min": 1, "max": 8}),
    "three, log": ((1e-6, 1e6, "log-uniform"), FLOAT | {"min": 1e-6, "max": 1e6, "scale": "log"}),
    "range": (range(2, 9, 3), INT | {"min": 2, "max": 8, "step": 3}),
    "array": (numpy.array([0.5, 1.5]), CHOICE | {"values": ["0.5", "1.5"]}),
}

THEIRS = {
    "scipy uniform": (scipy.stats.uniform(1, 3), FLOAT | {"min": 1, "max": 4}),
    "scipy loguniform": (scipy.stats.loguniform(1e-3, 10), FLOAT | {"min": 1e-3, "max": 10, "scale": "log"}),
    "scipy randint": (scipy.stats.randint(1, 9), INT | {"min": 1, "max": 8}),
    "optuna float": (
        optuna.distributions.FloatDistribution(0, 1, step=0.25),
        FLOAT | {"min": 0, "max": 1, "step": 0.25},
    ),
    "optuna log": (
        optuna.distributions.FloatDistribution(1e-3, 1, log=True),
        FLOAT | {"min": 1e-3, "max": 1, "scale": "log"},
    ),
    "optuna int": (optuna.distributions.IntDistribution(1, 9, step=2), INT | {"min": 1, "max": 9, "step": 2}),
    "optuna categorical": (
        optuna.distributions.CategoricalDistribution(("a", None)),
        CHOICE | {"values": ["a", "None"]},
    ),
    "skopt real": (skopt.space.Real(1e-3, 1, prior="log-uniform"), FLOAT | {"min": 1e-3, "max": 1, "scale": "log"}),
    "skopt integer": (skopt.space.Integer(1, 9), INT | {"min": 1, "max": 9}),
    "skopt categorical": (skopt.space.Categorical(["a", "b"]), CHOICE | {"values": ["a", "b"]}),
    "grid_search of Ray Tune's": ({"grid_search": [1, 2]}, CHOICE | {"values": [1, 2]}),
}

RAY = {
    "uniform": (("uniform", 0.5, 2.0), FLOAT | {"min": 0.5, "max": 2.0}),
    "loguniform": (("loguniform", 1e-3, 1.0), FLOAT | {"min": 1e-3, "max": 1.0, "scale": "log"}),
    "quniform": (("quniform", 0.0, 1.0, 0.25), FLOAT | {"min": 0.0, "max": 1.0, "step": 0.25}),
    "randint": (("randint", 1, 9), INT | {"min": 1, "max": 8}),
    "lograndint": (("lograndint", 1, 9), INT | {"min": 1, "max": 8, "scale": "log"}),
    "qrandint": (("qrandint", 2, 8, 2), INT | {"min": 2, "max": 8, "step": 2}),
    "choice": (("choice", ["a", None]), CHOICE | {"values": ["a", "None"]}),
}


@pytest.mark.parametrize(("given", "expected"), [*OURS.values(), *THEIRS.values()], ids=[*OURS, *THEIRS])
def test_one_parameter(given: Any, expected: dict[str, Any]) -> None:
    assert wire({"p": given}) == expected


@pytest.mark.parametrize(("form", "expected"), RAY.values(), ids=RAY)
def test_one_parameter_of_ray_tune(form: tuple[Any, ...], expected: dict[str, Any]) -> None:
    assert wire({"p": ray(*form)}) == expected


def test_hyperparameters_of_keras_tuner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    tuner: Any = pytest.importorskip("keras_tuner")
    given = tuner.HyperParameters()
    given.Float("lr", 1e-4, 1e-1, sampling="log")
    given.Int("units", 32, 128, step=32)
    kind = given.Choice("kind", ["mlp", "cnn"])
    with given.conditional_scope("kind", ["cnn"]):
        given.Int("filters", 1, 8)
    given.Boolean("bias")
    given.Fixed("epochs", 3)
    assert kind == "mlp"
    found = {parameter.name: parameter.to_wire() for parameter in sdk.space(given).parameters}
    assert (found["lr"]["scale"], found["units"]["step"]) == ("log", 32)
    assert found["filters"]["when"] == {"kind": ["cnn"]}
    assert (found["bias"]["values"], found["epochs"]["values"]) == (["False", "True"], [3])


def test_dimensions_of_scikit_optimize() -> None:
    given = [skopt.space.Real(0, 1, name="x"), skopt.space.Integer(1, 3)]
    assert [parameter.name for parameter in sdk.space(given).parameters] == ["x", "x1"]
    assert [parameter.name for parameter in sdk.space(skopt.space.Space(given)).parameters] == ["x", "x1"]


def test_arguments_are_what_they_were_in_python() -> None:
    found = sdk.space({"clf__C": (0.1, 1.0), "a.b": [True, None, (64, 32)], "n": [1, 2]})
    assert found.arguments({"clf__C": 0.5, "a_b": "(64, 32)", "n": 2}) == {"clf__C": 0.5, "a.b": (64, 32), "n": 2}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({}, "is empty", id="empty"),
        pytest.param(3, "int is no search space", id="a number"),
        pytest.param({"p": "log"}, "p: a text is no range", id="a text"),
        pytest.param({"p": object()}, "p: object is not understood", id="an object"),
        pytest.param({"p": (0, 1, "normal")}, "p: 'normal' is no prior", id="prior"),
        pytest.param({"p": scipy.stats.norm()}, "p: the distribution norm is no range", id="without bounds"),
        pytest.param({"a-b": (0, 1), "a_b": (0, 1)}, "rename one of them", id="one name"),
    ],
)
def test_what_is_no_space_is_told(given: Any, message: str) -> None:
    with pytest.raises(sdk.SpaceError) as caught:
        sdk.space(given)
    assert message in str(caught.value)


def test_other_libraries_are_not_imported() -> None:
    module = importlib.import_module("tuning_operator.sdk.foreign")
    assert not {"ray", "keras_tuner", "skopt", "optuna", "scipy"} & set(vars(module))


def test_manifest_is_checked_as_a_whole() -> None:
    template = {"spec": {"containers": [{"name": "trial", "image": "x", "command": ["true"]}]}}
    made = sdk.manifest("job", {"x": (0.0, 1.0)}, template, objective="loss", goal="minimize", target=0.1, trials=9)
    assert admission.admit(made).spec.objectives[0].target == 0.1
    with pytest.raises(ValueError, match=r"spec\.search\.algorithm"):
        sdk.manifest("job", {"x": (0.0, 1.0)}, template, algorithm="nope")
