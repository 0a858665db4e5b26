"""Versions against the tested set."""

import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.doctor.finding import Level
from benchmark.doctor.versions import (
    Constraints,
    constraints_file,
    other_packages,
    package_findings,
    python_finding,
    read_constraints,
    unfit_packages,
)
from data_pipeline.errors import DataError
from tests.helpers.facts import assert_names


def test_the_tested_set_is_found_in_a_checkout_and_goes_into_a_wheel_and_names_python_and_packages():
    root = Path(__file__).parents[3]
    wheel = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert constraints_file() == root / "constraints.txt"
    assert wheel["force-include"]["constraints.txt"] == "benchmark/constraints.txt"
    tested = read_constraints(constraints_file())
    assert tested.python.startswith("3.")
    assert tested.packages["torch"] == "2.13.0"
    assert len(tested.packages) > 50


def test_missing_constraints_are_reported(tmp_path):
    with pytest.raises(DataError) as caught:
        read_constraints(tmp_path / "constraints.txt")
    assert_names(caught, tmp_path / "constraints.txt")


def test_another_python_is_a_note():
    here = f"{sys.version_info.major}.{sys.version_info.minor}"

    assert python_finding(Constraints(Path("c"), here, {})).level is Level.OK
    other = python_finding(Constraints(Path("c"), "2.7", {}))
    assert other.level is Level.NOTE
    assert "`make run PYTHON=python2.7`" in other.text


def test_a_package_of_another_version_than_tested_is_a_note_with_both():
    (found,) = package_findings(Constraints(Path("c.txt"), "3.11", {"numpy": "0.0.1"}))

    assert found.level is Level.NOTE
    assert_names(found.text, "numpy", np.__version__, "0.0.1", "pip install --constraint c.txt")


def test_a_package_that_is_missing_or_built_for_the_cpu_is_no_other_version():
    assert other_packages({"no-such-package": "1.0", "torch": torch.__version__.partition("+")[0]}) == []


def test_what_our_package_needs_and_does_not_find_is_reported():
    needed = ["no-such-package>=1", "numpy<1", "psutil", "ruff<0.1 ; extra == 'dev'"]
    found = unfit_packages(needed)

    assert set(found) == {"no-such-package", "numpy"}
    assert "missing" in found["no-such-package"]
    assert_names(found["numpy"], np.__version__, "<1")
