"""What trials do: chosen, trained on train, judged on val, recorded in Optuna and in MLflow alike."""

from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient

from benchmark.config.errors import ConfigError
from benchmark.experiment.run import run_trial
from benchmark.training.progress import Progress
from benchmark.training.trainer import NonFiniteError, Trainer
from benchmark.tuning import objective
from benchmark.tuning.study import OWN, make_pruner
from data_pipeline.load import load_corpus
from tests.helpers.facts import assert_names
from tests.helpers.in_process import RATE, scripted_trial, states
from tests.helpers.null_tracker import NullTracker

SIZE = {"training.batch_size": {"type": "categorical", "choices": [16, 32]}}
GRID = {"training.schedule": {"type": "categorical", "choices": ["constant", "linear"]}, **SIZE}
CONDITIONAL = {
    "training.schedule": GRID["training.schedule"],
    "training.warmup_fraction": {"type": "float", "low": 0, "high": 0.5, "when": {"training.schedule": ["linear"]}},
}


class TestASearch:
    @pytest.fixture(scope="class")
    def kept(self):
        return []

    @pytest.fixture
    def searched(self, kept, searching):
        """One search for all tests of the class."""
        if not kept:
            made = searching()
            kept.append((made, made.study()))
        return kept[0]

    def test_tries_the_experiments_own_settings_first_and_others_of_the_space_after(self, searched):
        _, study = searched
        rates = [trial.params["training.learning_rate"] for trial in study.trials]

        assert states(study) == ["COMPLETE"] * 3
        assert study.trials[0].params == {"training.learning_rate": 1e-2} == study.user_attrs[OWN]
        assert len(set(rates)) == 3
        assert all(1e-4 <= rate <= 1e-1 for rate in rates)

    def test_judges_the_epoch_of_lowest_val_loss(self, searched):
        made, study = searched

        for trial, run in zip(study.trials, made.recorded(), strict=True):
            assert trial.value == run.metrics["best_val_loss"] == min(trial.intermediate_values.values())

    def test_has_a_run_in_mlflow_for_each_trial_and_they_name_each_other(self, searched):
        made, study = searched

        assert study.user_attrs["mlflow_run_id"] == "parent"
        for trial, run in zip(study.trials, made.recorded(), strict=True):
            assert trial.user_attrs["mlflow_run_id"] == run.run_id
            assert run.tags["optuna.study"] == study.study_name
            assert run.tags["optuna.trial"] == str(trial.number)
            assert run.tags["mlflow.parentRunId"] == "parent"
            assert run.params["training.learning_rate"] == str(trial.params["training.learning_rate"])
            assert (run.status, run.tags["optuna.state"]) == ("FINISHED", "COMPLETE")

    def test_scores_nothing_on_test_and_leaves_no_checkpoints(self, searched):
        assert not [key for run in searched[0].recorded() for key in run.metrics if key.startswith("test")]
        assert list((searched[0].folder / ".benchmark" / "checkpoints").iterdir()) == []


def test_called_again_it_does_only_what_a_larger_budget_allows(scripted):
    made = scripted()
    assert [states(made.study(trials=trials)) for trials in (2, 2, 3)] == [["COMPLETE"] * n for n in (2, 2, 3)]
    assert len({trial.params["training.learning_rate"] for trial in made.stored().trials}) == 3


def test_equal_seeds_search_the_same(scripted, tmp_path):
    made = scripted()
    first = made.study(sampler="random")
    (tmp_path / "optuna.db").unlink()

    assert [t.params for t in made.study(sampler="random").trials] == [t.params for t in first.trials]


class TestTheTestPart:
    def test_is_refused_by_a_trial(self, searching):
        made = searching()
        planned = objective.PlannedRun(made.plan().own, "mark", "fp32", "trial")
        corpus = load_corpus(planned.config.data)
        assert corpus.test

        with pytest.raises(ValueError, match="test reviews"):
            run_trial(planned, corpus, made.workspace, NullTracker(), progress=Progress(), on_epoch=lambda _: None)

    def test_is_not_in_the_corpus_that_trials_share(self, searching, monkeypatch):
        given = []
        monkeypatch.setattr(objective, "run_trial", lambda planned, corpus, *_, **__: given.append(corpus) or 1 / 0)

        with pytest.raises(ZeroDivisionError):
            searching().study()

        assert [len(corpus.parts[name]) for corpus in given for name in ("train", "val", "test")] == [200, 50, 0]

    def test_is_never_read_by_a_frozen_encoder(self, searching):
        made = searching(**{"bert-frozen": {"training.learning_rate": RATE}})
        made.study("bert-frozen", trials=2)

        cache = made.folder / ".benchmark"
        for kind in ("tokens", "features"):
            assert sum(entry.is_dir() for entry in (cache / kind).iterdir()) == 2  # train and val, once for all trials


class TestPruning:
    @pytest.fixture
    def prune_all(self, monkeypatch):
        monkeypatch.setattr(optuna.Trial, "should_prune", lambda trial: True)

    def test_ends_any_trial_but_that_of_the_own_settings_and_counts_it(self, scripted, prune_all):
        made = scripted()

        assert states(made.study()) == ["COMPLETE", "PRUNED", "PRUNED"]
        assert made.ends() == [("FINISHED", "COMPLETE"), ("KILLED", "PRUNED"), ("KILLED", "PRUNED")]
        for run in made.recorded()[1:]:
            assert_names(run.error, "pruned", "epoch 1")
        assert len(made.study().trials) == 3

    def test_removes_the_checkpoint(self, searching, prune_all):
        made = searching()
        assert states(made.study(trials=2)) == ["COMPLETE", "PRUNED"]
        assert list((made.folder / ".benchmark" / "checkpoints").iterdir()) == []

    def test_saves_nothing_after_the_last_epoch(self, scripted, prune_all):
        assert states(scripted("rnn.training.epochs=1").study(trials=2)) == ["COMPLETE"] * 2

    def test_by_the_median_ends_what_is_worse_than_half(self, scripted):
        study = scripted("rnn.training.epochs=3").study(trials=12, pruner="median")

        assert "PRUNED" in states(study)
        assert study.best_value == min(trial.value for trial in study.trials if trial.state.name == "COMPLETE")

    @pytest.mark.parametrize(("kind", "pruner"), [("hyperband", "HyperbandPruner"), ("none", "NopPruner")])
    def test_by_other_pruners(self, scripted, kind, pruner):
        assert type(make_pruner(kind, 3)).__name__ == pruner
        assert len(scripted().study(pruner=kind).trials) == 3

    def test_ends_a_training_that_diverges_and_names_the_reason(self, searching, monkeypatch):
        def diverge(trainer, *_):
            raise NonFiniteError("loss nan")

        monkeypatch.setattr(Trainer, "_train_step", diverge)
        [trial] = searching().study(trials=1).trials

        assert trial.state.name == "PRUNED"
        assert_names(trial.user_attrs["reason"], "diverged", "loss nan")

    def test_ends_settings_that_do_not_go_together_and_names_the_reason(self, scripted, monkeypatch):
        made = scripted()

        def refuse(*_):
            raise ConfigError("trial: excluded")

        monkeypatch.setattr(type(made.plan()), "with_values", refuse)

        assert made.study(trials=1).trials[0].user_attrs["reason"] == "trial: excluded"
        assert made.ends() == [("KILLED", "PRUNED")]


def test_a_trial_that_fails_keeps_its_traceback_and_says_where_it_failed(scripted, monkeypatch):
    made, said = scripted(), []

    def fail(*_, **__):
        raise KeyError("no such key")

    monkeypatch.setattr(objective, "run_trial", fail)
    monkeypatch.setattr(Progress, "say", lambda progress, text: said.append(text))
    with pytest.raises(KeyError):
        made.study(trials=1)
    [run] = made.recorded()
    client = MlflowClient(made.store.uri)
    trace = Path(client.download_artifacts(run.run_id, "error.txt", str(made.folder))).read_text()

    assert run.status == "FAILED"
    assert_names(trace, "Traceback", "no such key")
    assert [line for line in said if line.startswith(f"{__file__}, line ") and "raise KeyError" in line]


def test_minutes_end_a_search_unless_trials_do_so_first(scripted):
    made = scripted()
    for _ in range(2):
        assert len(made.study(trials=None, minutes=1e-9).trials) == 1
    assert len(made.study(trials=2, minutes=1000).trials) == 2


class TestSamplers:
    def test_a_grid_is_every_combination_once_also_when_it_is_resumed(self, scripted):
        made = scripted(rnn=GRID)
        assert states(made.study(trials=2, sampler="grid")) == ["COMPLETE"] * 2  # and none waits for other samplers

        study = made.study(trials=10, sampler="grid")
        assert states(study) == ["COMPLETE"] * 4
        assert {tuple(trial.params.values()) for trial in study.trials} == {
            (schedule, size) for schedule in ("constant", "linear") for size in (16, 32)
        }

    def test_a_parameter_is_chosen_only_where_its_condition_is_met(self, scripted):
        for trial in scripted(rnn=CONDITIONAL).study(trials=8).trials:
            assert ("training.warmup_fraction" in trial.params) == (trial.params["training.schedule"] == "linear")

    def test_equal_settings_are_trained_once(self, scripted, monkeypatch):
        made, trained = scripted(rnn=SIZE), []
        monkeypatch.setattr(
            objective, "run_trial", lambda *args, **named: trained.append(args) or scripted_trial(*args, **named)
        )
        study = made.study(trials=6, sampler="random")

        assert made.ends() == [("FINISHED", "COMPLETE")] * 6
        assert len(trained) == 2
        assert len({(trial.params["training.batch_size"], trial.value) for trial in study.trials}) == 2


def test_the_highest_val_accuracy_may_be_wanted(searching):
    made = searching()
    study = made.study(metric="val/accuracy", trials=2)

    assert study.direction.name == "MAXIMIZE"
    assert [t.value for t in study.trials] == [run.metrics["best_val_accuracy"] for run in made.recorded()]


class TestTheStudysName:
    def test_changes_with_the_settings(self, searching):
        made = searching()
        names = {
            made.plan().name,
            made.plan(metric="val/accuracy").name,
            searching("rnn.training.epochs=3").plan().name,
            searching("data.train_size=100").plan().name,
            searching("seeds=[5]").plan().name,
            searching(rnn={"training.learning_rate": {**RATE, "high": 0.2}}).plan().name,
        }

        assert len(names) == 6

    def test_changes_with_what_trials_have_where_a_condition_is_not_met(self, searching):
        names = {
            searching(f"rnn.training.warmup_fraction={value}", rnn=CONDITIONAL).plan().name for value in (0.1, 0.2)
        }

        assert len(names) == 2

    def test_stays_with_adopted_values_which_are_tried_next(self, scripted):
        first = scripted().study(trials=1)
        study = scripted("rnn.training.learning_rate=0.02").study(trials=2)

        assert study.study_name == first.study_name
        assert study.trials[1].params == {"training.learning_rate": 0.02} == study.user_attrs[OWN]

    @pytest.mark.parametrize(
        ("assignments", "name", "facts"),
        [([], "lstm", ["lstm", "search space"]), (["data.train_size=50,100"], "rnn", ["size"])],
    )
    def test_needs_a_space_and_one_train_size(self, searching, assignments, name, facts):
        with pytest.raises(ConfigError) as caught:
            searching(*assignments).plan(name)
        assert_names(caught, *facts)
