"""What a run says of the machine and the code it ran on."""

import subprocess

import psutil
import pytest
import torch

from benchmark.environment import DECISIVE, decisive, environment, git_state, installed_versions


def git(folder, *arguments):
    names = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    """A git checkout with one file."""
    (tmp_path / "code.py").write_text("x = 1\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


def test_an_unchanged_checkout_is_known_by_its_commit(checkout):
    state = git_state(checkout)

    assert len(state["git_commit"]) == 40
    assert state["git_changes"] == "none"


def test_changes_are_known_by_their_hash(checkout):
    (checkout / "code.py").write_text("x = 2\n")
    first = git_state(checkout)
    (checkout / "code.py").write_text("x = 3\n")
    second = git_state(checkout)
    (checkout / "code.py").write_text("x = 2\n")

    assert git_state(checkout) == first
    assert len({first["git_changes"], second["git_changes"], "none"}) == 3
    assert first["git_commit"] == second["git_commit"]


def test_a_new_file_is_a_change(checkout):
    (checkout / "new.py").write_text("")

    assert git_state(checkout)["git_changes"] != "none"


def test_code_installed_inside_somebody_elses_repository_is_not_theirs(checkout):
    installed = checkout / "venv" / "site-packages"
    installed.mkdir(parents=True)

    assert git_state(installed) == {}


def test_without_a_repository_there_is_nothing_to_say(tmp_path):
    assert git_state(tmp_path) == {}


def test_without_git_there_is_nothing_to_say(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")

    assert git_state(checkout) == {}


def test_the_machine_is_told_in_words():
    machine = environment("cpu")

    assert machine["torch"] == torch.__version__
    assert machine["threads"] == str(torch.get_num_threads())
    assert float(machine["memory_gib"]) == pytest.approx(psutil.virtual_memory().total / 2**30, abs=0.1)
    assert all(isinstance(value, str) for value in machine.values())


def test_what_a_training_must_go_on_under_is_part_of_it():
    assert tuple(decisive(environment("cpu"))) == DECISIVE


def test_the_packages_are_constraints_that_pip_reads():
    lines = installed_versions().splitlines()

    assert lines[0].startswith("#")
    assert f"torch=={torch.__version__}" in lines
    assert lines[1:] == sorted(set(lines[1:]))
