"""Modules come without their packages' imports, and the packages are still whole for whoever wants them."""

from __future__ import annotations

import subprocess
import sys


def run(program: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()


def test_the_operator_does_without_the_synchronous_client() -> None:
    assert run("import sys, tuning_operator.kube.operator; print('requests' in sys.modules)") == "False"


def test_a_package_is_whole_once_something_of_it_is_wanted() -> None:
    program = """
from tuning_operator import lean
lean.set_aside("skopt", "skopt.learning", "no_such_package")
from skopt import acquisition
import skopt.learning
from skopt.learning import ExtraTreesRegressor
from skopt import Optimizer
print(Optimizer.__name__, ExtraTreesRegressor.__name__, skopt.acquisition is acquisition, skopt.__version__ != "")
"""
    assert run(program) == "Optimizer ExtraTreesRegressor True True"


def test_a_search_does_without_what_only_happens_to_be_installed() -> None:
    program = """
import sys
from tuning_operator import lean
from tuning_operator.search import child
lean.go_without(*child.UNWANTED)
lean.set_aside(*child.LUGGAGE)
from tuning_operator.search import surrogate
print([name for name in child.UNWANTED if sys.modules[name]])
"""
    assert run(program) == "[]"
