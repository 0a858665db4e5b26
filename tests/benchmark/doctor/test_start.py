"""Who starts our processes, and where."""

import getpass
import os
from pathlib import Path

import pytest

from benchmark.doctor.finding import NOTE, OK, PROBLEM
from benchmark.doctor.start import folder_findings, user_findings
from benchmark.startup import ROOT
from benchmark.tracking.tags import user_name
from tests.helpers.facts import assert_names


def test_a_module_that_python_would_take_for_ours_is_named(tmp_path):
    assert [level for level, _ in folder_findings(tmp_path)] == [OK]
    (tmp_path / "random.py").touch()
    (tmp_path / "my_model.py").touch()
    (tmp_path / "data_pipeline").mkdir()
    (tmp_path / "data_pipeline/__init__.py").touch()

    ((level, text),) = folder_findings(tmp_path)
    assert level == NOTE
    assert_names(text, tmp_path, "data_pipeline, random")
    (tmp_path / "benchmark.py").touch()
    assert [level for level, _ in folder_findings(tmp_path)] == [PROBLEM, NOTE]
    assert [level for level, _ in folder_findings(Path(ROOT))] == [OK]  # a checkout's are ours


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_user_without_a_name_is_a_number(monkeypatch, error):
    def nobody():
        raise error("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)

    assert user_name() == str(os.getuid())
    ((level, text),) = user_findings()
    assert level == NOTE
    assert_names(text, os.getuid(), Path.home())


def test_a_home_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))

    ((level, text),) = user_findings()
    assert level == NOTE
    assert_names(text, tmp_path / "missing")
