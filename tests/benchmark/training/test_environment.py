"""What a run says of the machine and the code it ran on."""

import subprocess

import psutil
import pytest
import torch

from benchmark.training.environment import (
    RESUME_CONDITIONS,
    environment,
    git_state,
    installed_versions,
    resume_conditions,
)


def git(folder, *arguments):
    names = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "code.py").write_text("x = 1\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


def test_a_checkout_is_known_by_its_commit_and_changes_by_their_hash(checkout):
    unchanged, states = git_state(checkout), []
    for content in ("x = 2\n", "x = 3\n", "x = 2\n"):
        (checkout / "code.py").write_text(content)
        states.append(git_state(checkout))
    (checkout / "new.py").write_text("")
    states.append(git_state(checkout))
    first, second, first_again, with_new_file = (state["git_changes"] for state in states)

    assert len(unchanged["git_commit"]) == 40
    assert {state["git_commit"] for state in states} == {unchanged["git_commit"]}
    assert unchanged["git_changes"] == "none"
    assert first_again == first
    assert len({first, second, with_new_file, "none"}) == 4


def test_no_git_or_no_repository_of_its_own_gives_nothing(checkout, tmp_path_factory, monkeypatch):
    installed = checkout / "venv" / "site-packages"  # inside another repository
    installed.mkdir(parents=True)

    assert git_state(installed) == git_state(tmp_path_factory.mktemp("plain")) == {}
    monkeypatch.setenv("PATH", "")
    assert git_state(checkout) == {}


def test_the_machine_is_described_with_what_a_training_must_resume_under():
    machine = environment("cpu")

    assert machine["torch"] == torch.__version__
    assert machine["threads"] == str(torch.get_num_threads())
    assert float(machine["memory_gib"]) == pytest.approx(psutil.virtual_memory().total / 2**30, abs=0.1)
    assert all(isinstance(value, str) for value in machine.values())
    assert tuple(resume_conditions(machine)) == RESUME_CONDITIONS


def test_the_packages_are_constraints_that_pip_reads():
    lines = installed_versions().splitlines()

    assert lines[0].startswith("#")
    assert f"torch=={torch.__version__}" in lines
    assert lines[1:] == sorted(set(lines[1:]))
