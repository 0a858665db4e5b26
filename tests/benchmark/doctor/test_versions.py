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


def test_the_tested_set_is_found_in_a_checkout_and_goes_into_a_wheel():
    root = Path(__file__).parents[3]
    wheel = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert constraints_file() == root / "constraints.txt"
    assert wheel["force-include"]["constraints.txt"] == "benchmark/constraints.txt"


def test_constraints_name_python_and_packages():
    tested = read_constraints(constraints_file())

    assert tested.python.startswith("3.")
    assert tested.packages["torch"] == "2.13.0"
    assert len(tested.packages) > 50


def test_missing_constraints_are_told(tmp_path):
    with pytest.raises(DataError, match=r"constraints\.txt cannot be read"):
        read_constraints(tmp_path / "constraints.txt")


def test_another_python_is_a_note():
    here = f"{sys.version_info.major}.{sys.version_info.minor}"

    assert python_finding(Constraints(Path("c"), here, {})).level is Level.OK
    other = python_finding(Constraints(Path("c"), "2.7", {}))
    assert other.level is Level.NOTE
    assert "`make run PYTHON=python2.7`" in other.text


def test_a_package_of_another_version_than_tested_is_a_note_with_both():
    (found,) = package_findings(Constraints(Path("c.txt"), "3.11", {"numpy": "0.0.1"}))

    assert found.level is Level.NOTE
    assert f"numpy {np.__version__} (tested: 0.0.1)" in found.text
    assert "pip install --constraint c.txt NAME..." in found.text


def test_a_package_that_is_not_installed_is_no_other_version():
    assert other_packages({"no-such-package": "1.0"}) == []


def test_torch_built_for_the_cpu_is_the_same_version():
    assert other_packages({"torch": torch.__version__.partition("+")[0]}) == []


def test_what_our_package_needs_and_does_not_find_is_told():
    needed = ["no-such-package>=1", "numpy<1", "psutil", "ruff<0.1 ; extra == 'dev'"]

    assert unfit_packages(needed) == {
        "no-such-package": "no-such-package is missing",
        "numpy": f"numpy is {np.__version__}, and <1 is needed",
    }
