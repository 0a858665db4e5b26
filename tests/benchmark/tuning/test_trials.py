"""What trials do: chosen, trained on train, judged on val, recorded in Optuna and in MLflow alike."""

import optuna
import pytest
from optuna.trial import TrialState

from benchmark.config.errors import ConfigError
from benchmark.experiment.run import run_trial
from benchmark.training.progress import Progress
from benchmark.training.trainer import NonFiniteError, Trainer
from benchmark.tuning import objective
from benchmark.tuning import study as study_module
from benchmark.tuning.study import OWN
from data_pipeline.sources import load_corpus
from tests.helpers.facts import assert_names
from tests.helpers.in_process import RATE, states
from tests.helpers.null_tracker import NullTracker

GRID = {
    "training.schedule": {"type": "categorical", "choices": ["constant", "linear"]},
    "training.batch_size": {"type": "categorical", "choices": [16, 32]},
}
CONDITIONAL = {
    "training.schedule": GRID["training.schedule"],
    "training.warmup_fraction": {"type": "float", "low": 0, "high": 0.5, "when": {"training.schedule": ["linear"]}},
}


class TestASearch:
    @pytest.fixture(scope="class")
    def kept(self):
        """What was searched once for all the tests that only look."""
        return []

    @pytest.fixture
    def searched(self, kept, searching):
        if not kept:
            made = searching()
            kept.append((made, made.study()))
        return kept[0]

    def test_does_its_trials_with_the_experiments_own_settings_first_and_others_of_the_space_after(self, searched):
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

    def test_called_again_does_only_what_a_larger_budget_allows(self, searching):
        made = searching()
        first = made.study(trials=2).trials
        assert [trial.number for trial in made.study(trials=2).trials] == [trial.number for trial in first]

        trials = made.study(trials=3).trials
        assert len(trials) == 3 == len({trial.params["training.learning_rate"] for trial in trials})


def test_equal_seeds_search_the_same(searching, tmp_path):
    made = searching()
    first = made.study(sampler="random")
    (tmp_path / "optuna.db").unlink()

    assert [t.params for t in made.study(sampler="random").trials] == [t.params for t in first.trials]


class TestTheTestPart:
    def test_a_trial_is_not_given_it(self, searching):
        made = searching()
        planned = objective.PlannedRun(made.plan().own, "mark", "fp32", "trial")
        corpus = load_corpus(planned.config.data)
        assert corpus.test

        with pytest.raises(ValueError, match="test reviews"):
            run_trial(planned, corpus, made.workspace, NullTracker(), progress=Progress(), on_epoch=lambda _: None)

    def test_the_corpus_that_trials_share_has_none(self, searching, monkeypatch):
        given = []
        monkeypatch.setattr(objective, "run_trial", lambda planned, corpus, *_, **__: given.append(corpus) or 1 / 0)
        made = searching()

        with pytest.raises(ZeroDivisionError):
            made.study()

        assert [len(corpus.parts[name]) for corpus in given for name in ("train", "val", "test")] == [200, 50, 0]

    def test_a_frozen_encoder_never_reads_it(self, searching):
        made = searching(**{"bert-frozen": {"training.learning_rate": RATE}})
        made.study("bert-frozen", trials=2)

        cache = made.folder / ".benchmark"
        for kind in ("tokens", "features"):
            assert sum(entry.is_dir() for entry in (cache / kind).iterdir()) == 2  # train and val, once for all trials


class TestPruning:
    @pytest.fixture
    def prune_all(self, monkeypatch):
        monkeypatch.setattr(optuna.Trial, "should_prune", lambda trial: True)

    def test_ends_any_trial_but_that_of_the_own_settings_and_counts_it(self, searching, prune_all):
        made = searching()
        study = made.study()

        assert states(study) == ["COMPLETE", "PRUNED", "PRUNED"]
        assert [(run.status, run.tags["optuna.state"]) for run in made.recorded()[1:]] == [("KILLED", "PRUNED")] * 2
        for run in made.recorded()[1:]:
            assert_names(run.error, "pruned", "epoch 1")
        assert list((made.folder / ".benchmark" / "checkpoints").iterdir()) == []
        assert len(made.study().trials) == 3

    def test_after_the_last_epoch_there_is_nothing_to_save(self, searching, prune_all):
        assert states(searching("rnn.training.epochs=1").study(trials=2)) == ["COMPLETE"] * 2

    def test_median_ends_what_is_worse_than_half(self, searching):
        study = searching("rnn.training.epochs=3").study(trials=12, pruner="median")

        assert "PRUNED" in states(study)
        best = min(trial.value for trial in study.trials if trial.state is TrialState.COMPLETE)
        assert study.best_value == best

    @pytest.mark.parametrize("pruner", ["hyperband", "none"])
    def test_other_pruners_end_too(self, searching, pruner):
        study = searching().study(trials=6, pruner=pruner)

        assert len(study.trials) == 6
        assert pruner == "hyperband" or states(study) == ["COMPLETE"] * 6

    def test_a_training_that_diverges_is_pruned_with_its_reason(self, searching, monkeypatch):
        def diverge(trainer, *_):
            raise NonFiniteError("loss nan")

        made = searching()
        made.study(trials=1)
        monkeypatch.setattr(Trainer, "_train_step", diverge)
        study = made.study(trials=2)

        assert states(study) == ["COMPLETE", "PRUNED"]
        assert_names(study.trials[1].user_attrs["reason"], "diverged", "loss nan")

    def test_settings_that_do_not_go_together_are_pruned_with_the_reason(self, searching, monkeypatch):
        made = searching()
        planned = made.plan()

        def refuse(*_):
            raise ConfigError("trial: excluded")

        monkeypatch.setattr(type(planned), "with_values", refuse)

        assert made.study(trials=1).trials[0].user_attrs["reason"] == "trial: excluded"
        assert [run.tags["optuna.state"] for run in made.recorded()] == ["PRUNED"]


class TestBudget:
    def test_of_time(self, searching):
        made = searching()
        for _ in range(2):
            assert len(made.study(trials=None, minutes=1e-6).trials) == 1
        assert len(made.study(trials=2, minutes=1000).trials) == 2  # whichever is reached first

    def test_a_trial_that_another_worker_made_needless_gives_way(self, searching, monkeypatch):
        made = searching()
        monkeypatch.setattr(objective, "is_needed", lambda number, *_: number != 1)
        study = made.study(trials=3)

        assert states(study) == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
        assert len(made.recorded()) == 3

    def test_the_settings_of_one_that_gave_way_are_not_lost_where_they_were_waiting(self, searching, monkeypatch):
        made = searching()
        monkeypatch.setattr(objective, "is_needed", lambda number, *_: number != 0)
        study = made.study(trials=1)

        assert states(study) == ["FAIL", "COMPLETE"]
        assert study.trials[1].params == study.user_attrs[OWN]


class TestSamplers:
    def test_a_grid_is_every_combination_once_also_when_it_is_resumed(self, searching):
        made = searching(rnn=GRID)
        assert states(made.study(trials=2, sampler="grid")) == ["COMPLETE"] * 2  # and none waits for other samplers

        study = made.study(trials=10, sampler="grid")
        assert states(study) == ["COMPLETE"] * 4
        assert {tuple(trial.params.values()) for trial in study.trials} == {
            (schedule, size) for schedule in ("constant", "linear") for size in (16, 32)
        }

    def test_a_grid_draws_nothing_where_another_worker_took_what_was_waiting(self, searching, monkeypatch):
        made, enqueue, calls = searching(rnn=GRID), study_module.enqueue_first, []

        def taken_the_second_time(study, wanted):
            calls.append(wanted)
            return len(calls) == 2 or enqueue(study, wanted)  # the first is for the experiment's own settings

        monkeypatch.setattr(study_module, "enqueue_first", taken_the_second_time)
        study = made.study(trials=None, sampler="grid")

        assert sorted(states(study)) == ["COMPLETE"] * 4 + ["FAIL"] * (len(study.trials) - 4)
        assert len(made.recorded()) == 4

    @pytest.mark.parametrize(
        ("space", "facts"),
        [
            (None, ["--sampler grid", "training.learning_rate", "0.0001 to 0.1, log"]),
            (
                GRID
                | {
                    "training.warmup_fraction": {
                        "type": "categorical",
                        "choices": [0.0, 0.1],
                        "when": {"training.schedule": ["linear"]},
                    }
                },
                ["training.warmup_fraction", "`when`"],
            ),
        ],
    )
    def test_a_grid_of_a_range_or_with_a_condition_is_refused(self, searching, space, facts):
        made = searching(rnn=space) if space else searching()
        with pytest.raises(ConfigError) as caught:
            made.study(sampler="grid")
        assert_names(caught, *facts)

    def test_a_parameter_is_chosen_only_where_its_condition_is_met(self, searching):
        for trial in searching("rnn.training.epochs=1", rnn=CONDITIONAL).study(trials=8).trials:
            assert ("training.warmup_fraction" in trial.params) == (trial.params["training.schedule"] == "linear")

    def test_equal_settings_are_trained_once(self, searching):
        made = searching(rnn={"training.batch_size": GRID["training.batch_size"]})
        study = made.study(trials=6, sampler="random")

        assert [run.tags["optuna.state"] for run in made.recorded()] == ["COMPLETE"] * 6
        assert sum("train_seconds" in run.metrics for run in made.recorded()) == 2
        values = {(trial.params["training.batch_size"], trial.value) for trial in study.trials}
        assert len(values) == 2


def test_the_highest_val_accuracy_may_be_wanted(searching):
    made = searching()
    study = made.study(metric="val/accuracy")

    assert study.direction.name == "MAXIMIZE"
    assert [t.value for t in study.trials] == [run.metrics["best_val_accuracy"] for run in made.recorded()]


class TestWhichStudy:
    def test_other_settings_are_another_study(self, searching):
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

    def test_what_trials_have_where_a_condition_is_not_met_makes_another(self, searching):
        names = {
            searching(f"rnn.training.warmup_fraction={value}", rnn=CONDITIONAL).plan().name for value in (0.1, 0.2)
        }

        assert len(names) == 2

    def test_adopted_values_are_the_same_study_which_begins_again_with_them(self, searching):
        first = searching().study(trials=1)
        study = searching("rnn.training.learning_rate=0.02").study(trials=2)

        assert study.study_name == first.study_name
        assert study.trials[1].params == {"training.learning_rate": 0.02} == study.user_attrs[OWN]

    @pytest.mark.parametrize(
        ("assignments", "name", "facts"),
        [([], "lstm", ["lstm", "search space"]), (["data.train_size=50,100"], "rnn", ["size"])],
    )
    def test_no_space_or_several_train_sizes_are_refused(self, searching, assignments, name, facts):
        with pytest.raises(ConfigError) as caught:
            searching(*assignments).plan(name)
        assert_names(caught, *facts)
