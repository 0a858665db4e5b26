"""`python -m benchmark tune` as a user has it, and what is left behind: undisturbed, then killed and shared by workers.

All tests share one working directory, where each search is done once.
"""

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
import yaml
from mlflow.entities import Run
from optuna.trial import TrialState

from benchmark.cli.run import say_tuned
from benchmark.config.load import load_suite, parse_assignments
from benchmark.launch import run_plan
from benchmark.launch import worker as run_worker
from benchmark.tuning import search
from benchmark.tuning import worker as search_worker
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.shell import Done, Shell, finish, said_until, slow_rnn

RATE = {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}
WIDTH = {"type": "categorical", "choices": [8, 16]}
TRIALS = 3


@pytest.fixture
def shell(working_shell: Shell, config_content: dict[str, Any]) -> Shell:
    slow_rnn(config_content)
    config_content["experiments"]["rnn"]["model"]["layers"] = 2  # an epoch of 3 s is long enough for a signal
    config_content["search"] = {
        "rnn": {"training.learning_rate": RATE},
        "lstm": {"training.learning_rate": RATE, "model.hidden_dim": WIDTH},
    }
    working_shell.configure(config_content)
    return working_shell


@pytest.fixture
def command(shell, monkeypatch, call) -> Callable[..., Done]:
    """A command in the working directory, done in this process, where starting one takes seconds."""
    monkeypatch.chdir(shell.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", shell.uri)
    for module, work in ((search, search_worker.search), (run_plan, run_worker._run)):
        monkeypatch.setattr(
            module, "run_worker", lambda _, request, __, work=work: work(json.loads(json.dumps(request)))
        )
    return lambda *arguments: Done(*call(*arguments))


def study_of(shell: Shell, experiment: str) -> optuna.Study:
    storage = f"sqlite:///{shell.folder / 'optuna.db'}"
    (name,) = [name for name in optuna.get_all_study_names(storage) if f"-{experiment}-" in name]
    return optuna.load_study(study_name=name, storage=storage)


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in study.trials if trial.state in {TrialState.COMPLETE, TrialState.PRUNED}]


def recorded_of(shell: Shell, kind: str, experiment: str) -> list[Run]:
    return [run for run in shell.recorded("quick", kind) if run.data.tags["benchmark.experiment"] == experiment]


# One search, undisturbed


@dataclass(frozen=True)
class Searched:
    """`tune lstm` done, and the commands after it."""

    tuned: Done
    shown: Done
    again: Done
    run: Done
    reported: Done


@pytest.fixture
def searched(shell, command) -> Searched:
    def go_there() -> Searched:
        tune = ("tune", "lstm", "--trials", str(TRIALS))
        tuned = command(*tune)
        winner = shell.folder / "tuned/quick/lstm.yaml"
        winner.write_text(winner.read_text().replace("study: quick-lstm-", "study: another-"))
        return Searched(
            tuned, command("study", "lstm"), command(*tune), command("run", "lstm", "--tuned"), command("report")
        )

    return shell.stage("searched", go_there)


class TestASearch:
    def test_ends_with_the_best_trial_and_each_trial_named(self, searched, shell):
        study = study_of(shell, "lstm")
        best = study.best_trial

        assert searched.tuned.status == 0, searched.tuned.err
        assert_names(
            searched.tuned.out, f"lstm: best val/loss {best.value:.4f}, trial {best.number} ", f"{TRIALS} trials"
        )
        for trial in study.trials:
            assert f"  trial {trial.number}: training.learning_rate" in searched.tuned.err
            assert f"  trial {trial.number}: complete, val/loss {trial.value:.4f}; best" in searched.tuned.err

    def test_prints_nothing_of_optunas_own(self, searched):
        assert "Warning" not in searched.tuned.err + searched.shown.err
        assert "[I 20" not in searched.tuned.err

    def test_called_again_does_nothing_and_says_the_same_and_whose_winner_it_replaces(self, searched):
        assert (searched.again.status, searched.again.out) == (0, searched.tuned.out)
        assert "trial 0" not in searched.again.err
        assert_names(searched.again.err, "tuned/quick/lstm.yaml", "another-")
        assert "another-" not in searched.tuned.err

    def test_is_a_parent_run_with_its_trials_best_settings_and_pictures(self, searched, shell):
        assert (shell.folder / "optuna.db").exists()  # apart from MLflow's
        (study,) = recorded_of(shell, "study", "lstm")
        trials = recorded_of(shell, "trial", "lstm")
        best = study_of(shell, "lstm").best_trial

        assert study.info.status == "FINISHED"
        assert len(trials) == TRIALS
        assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {study.info.run_id}
        assert study.data.tags["best/model.hidden_dim"] == str(best.params["model.hidden_dim"])
        assert study.data.metrics["val/loss"] == best.value
        assert study.data.params["search.training.learning_rate"] == "0.001 to 0.1, log"
        assert {item.path for item in shell.client.list_artifacts(study.info.run_id)} == {
            "lstm.yaml",
            *(f"{name}.png" for name in ("history", "importance", "parallel_coordinates", "slice")),
        }

    def test_is_shown_with_the_best_trial_first_the_own_settings_and_what_mattered(self, searched, shell):
        study = study_of(shell, "lstm")
        lines = searched.shown.out.splitlines()
        first = next(lines[place + 3] for place, line in enumerate(lines) if line == "best trials")

        assert searched.shown.status == 0, searched.shown.err
        assert first.split()[:2] == [str(study.best_trial.number), f"{study.best_value:.4f}"]
        (own,) = [line for line in lines if "experiments.yaml" in line]
        assert_names(own, "val/loss", f"{study.trials[0].value:.4f}")
        assert "importance" in searched.shown.out


class TestTheWinner:
    def test_is_written_with_where_it_comes_from(self, searched, shell):
        content = yaml.safe_load((shell.folder / "tuned/quick/lstm.yaml").read_text())
        study = study_of(shell, "lstm")

        assert content["settings"] == study.best_params
        origin = content["provenance"]
        assert (origin["study"], origin["trial"]) == (study.study_name, study.best_trial.number)
        assert (origin["value"], origin["before"]) == (study.best_value, study.trials[0].value)
        assert (origin["complete"], origin["pruned"]) == (TRIALS, 0)
        assert origin["seconds"] > 0
        assert origin["finished"] == study.best_trial.datetime_complete.astimezone(UTC).isoformat(timespec="seconds")
        assert origin["code"] == study.best_trial.user_attrs["code"]
        assert origin["unsearched"]["training.epochs"] == 2
        assert not origin["unsearched"].keys() & content["settings"].keys()
        assert len(origin["corpus_fingerprint"]) == len(origin["split_fingerprint"]) == 64

    def test_is_what_run_tuned_uses_with_the_trials_figures(self, searched, shell):
        study = study_of(shell, "lstm")
        (run,) = shell.recorded("quick")

        assert searched.run.status == 0, searched.run.err
        assert_names(searched.run.err, "tuned/quick/lstm.yaml", study.study_name)
        assert run.data.params["training.learning_rate"] == str(study.best_params["training.learning_rate"])
        assert run.data.metrics["best_val_loss"] == study.best_value

    @pytest.mark.parametrize(
        ("assignment", "facts"),
        [
            ("training.epochs=1", ["training.epochs 1 ", "2)"]),
            ("model.hidden_dim=32", ["model.hidden_dim 32 "]),
        ],
    )
    def test_is_reported_with_settings_changed_since(self, searched, command, capsys, assignment, facts):
        settings = parse_assignments([f"lstm.{assignment}"])
        say_tuned(load_suite(Path("experiments.yaml"), settings=settings, tuned=True), ["lstm"])

        assert_names(capsys.readouterr().err, *facts)

    def test_is_finished_in_a_list_with_tuned_settings_alone(self, searched, command):
        def lstm(*options: str) -> str:
            return next(line for line in command("list", *options).out.splitlines() if line.startswith("lstm"))

        assert "  finished  " in lstm("--tuned")
        assert "  missing  " in lstm()

    def test_is_marked_in_the_report_with_what_it_cost(self, searched):
        assert_names(searched.reported.out, f"{TRIALS} trials", "Settings of lstm: tuned")


class TestRefused:
    def test_another_name_but_no_settings_of_the_storages_driver(self, searched, command):
        assert command("study", "lstm", "--storage", "sqlite:///optuna.db?timeout=60").status == 0
        refused = command("study", "lsmt")

        assert refused.status == 2
        assert_names(refused.err, "'lsmt'", "'quick'", "'lstm'")

    @pytest.mark.parametrize(
        ("change", "facts"),
        [
            ({"experiment": "rnn"}, ["experiment rnn"]),
            ({"settings": {"training.learning_rate": "quick"}}, ["learning_rate: ", "number"]),
            ({"settings": {"training.learning_rat": 0.1}}, ["learning_rat", "'learning_rate'"]),
            ({"more": 1}, ["more: "]),
            ({"provenance": {}}, ["provenance.study: "]),
        ],
    )
    def test_a_tuned_file_that_was_changed(self, searched, shell, command, tmp_path, monkeypatch, change, facts):
        content = yaml.safe_load((shell.folder / "tuned/quick/lstm.yaml").read_text())
        shutil.copy(shell.folder / "experiments.yaml", tmp_path)
        monkeypatch.chdir(tmp_path)
        path = Path("tuned/quick/lstm.yaml")
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump(content | change))
        refused = command("run", "lstm", "--tuned", "--dry-run")

        assert refused.status == 2
        assert_names(error_lines(refused.err)[0], "tuned/quick/lstm.yaml: ", *facts)

    def test_settings_found_on_another_split(self, searched, command):
        refused = command("run", "lstm", "--tuned", "--set", "data.split_seed=8")

        assert refused.status == 2
        assert_names(refused.err.splitlines()[-1], "error: tuned/quick/", "split", "`python -m benchmark tune ")


# A search in processes, one killed and one interrupted


@dataclass(frozen=True)
class Disturbed:
    """`tune rnn` called twice at once, one killed in a trial and one interrupted, then called again."""

    killed: Done
    interrupted: Done
    again: Done


@pytest.fixture
def disturbed(shell, command) -> Disturbed:
    tune = ("tune", "rnn", "--trials", str(TRIALS), "--pruner", "none")

    def go_there() -> Disturbed:
        first, second = shell.start(*tune), shell.start(*tune)
        for process in (first, second):
            said_until(process, "  epoch 1/")
        for child in psutil.Process(first.pid).children():
            child.kill()
        second.send_signal(signal.SIGINT)
        return Disturbed(finish(first), finish(second), command(*tune))

    return shell.stage("disturbed", go_there)


class TestADisturbedSearch:
    def test_ends_with_its_status_and_names_the_signal(self, disturbed):
        assert disturbed.killed.status == 1
        assert "signal 9" in disturbed.killed.err
        assert disturbed.interrupted.status == 130
        assert disturbed.again.status == 0, disturbed.again.err

    def test_tries_again_what_was_killed_or_interrupted_and_repeats_nothing_else(self, disturbed, shell):
        study = study_of(shell, "rnn")
        settings = [trial.params["training.learning_rate"] for trial in finished(study)]

        assert len(finished(study)) == TRIALS == len(set(settings))
        assert TrialState.FAIL in {trial.state for trial in study.trials}
        assert {trial.params["training.learning_rate"] for trial in study.trials} == set(settings)

    def test_leaves_nothing_running_and_the_same_states_in_mlflow(self, disturbed, shell):
        assert {run.info.status for run in recorded_of(shell, "study", "rnn")} == {"FINISHED"}
        runs, study = recorded_of(shell, "trial", "rnn"), study_of(shell, "rnn")
        assert {run.info.status for run in runs} == {"FINISHED", "KILLED"}
        assert {run.data.tags["optuna.trial"] for run in runs if run.info.status == "FINISHED"} == {
            str(trial.number) for trial in finished(study)
        }
        for tags in (run.data.tags for run in runs):
            assert tags["optuna.state"] == study.trials[int(tags["optuna.trial"])].state.name

    def test_leaves_no_lock_of_a_worker_that_ended_by_itself(self, disturbed, shell):
        assert len(list((shell.folder / ".benchmark" / "locks").glob("worker-*"))) <= 1  # of the one that was killed
