"""Versions against the tested set."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.doctor.finding import NOTE, OK, PROBLEM
from benchmark.doctor.versions import constraints_file, packages_finding, pip_finding, python_finding
from tests.helpers.facts import assert_names


def test_the_tested_set_is_found_in_a_checkout_and_goes_into_a_wheel():
    root = Path(__file__).parents[3]
    wheel = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert constraints_file() == root / "constraints.txt"
    assert wheel["force-include"]["constraints.txt"] == "benchmark/constraints.txt"
    assert re.search(r"CPython 3\.\d+", constraints_file().read_text())


def test_another_python_is_a_note():
    assert python_finding(f"{sys.version_info.major}.{sys.version_info.minor}").level == OK
    other = python_finding("2.7")
    assert other.level == NOTE
    assert "`make run PYTHON=python2.7`" in other.text


def test_a_package_of_another_version_than_tested_is_a_note_with_both():
    cpu = torch.__version__.partition("+")[0]
    found = packages_finding(Path("c.txt"), {"numpy": "0.0.1", "no-such-package": "1.0", "torch": cpu})

    assert found.level == NOTE
    assert_names(found.text, "numpy", np.__version__, "0.0.1", "pip install --constraint c.txt")
    assert "torch" not in found.text
    assert "no-such-package" not in found.text


@pytest.mark.parametrize(
    ("status", "answer", "level"),
    [(0, "No broken requirements found.\n", OK), (1, "numpy 3 has a fault.\n", PROBLEM), (1, "", NOTE)],
)
def test_what_pip_finds_is_reported(monkeypatch, status, answer, level):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], status, answer, ""))

    found = pip_finding(Path("c.txt"))

    assert found.level == level
    if level == PROBLEM:
        assert_names(found.text, "numpy 3 has a fault", "`pip install --constraint c.txt NAME...`")
