"""A profile may give an experiment seeds of its own."""

from dataclasses import replace

import pytest

from benchmark.config.errors import ConfigError
from benchmark.config.load import load_suite, parse_assignments
from benchmark.config.search_space import SearchSpace
from benchmark.config.tuned import Provenance, TunedSettings
from benchmark.plan.plan import make_plan
from benchmark.tuning.plan import plan_study
from tests.helpers.facts import assert_names
from tests.helpers.recorded import NOWHERE


@pytest.fixture
def own_seeds(write_config):
    """A profile of one seed in which rnn has three and lstm two others."""
    overrides = {"rnn": {"seeds": [1, 2, 3]}, "lstm": {"seeds": [7, 2], "training": {"epochs": 1}}}
    return write_config(profiles={"quick": {"overrides": overrides}})


def runs_of(suite) -> list[tuple[str, int]]:
    return [(run.experiment_name, run.seed) for run in suite.runs()]


def test_every_experiment_has_its_first_run_before_any_has_its_second(own_seeds):
    suite = load_suite(own_seeds)

    assert runs_of(suite) == [
        *(("rnn", 1), ("lstm", 7), ("bert-frozen", 1), ("bert-finetuned", 1)),
        *(("rnn", 2), ("lstm", 2)),
        ("rnn", 3),
    ]
    assert suite.experiments["lstm"].training.epochs == 1


def test_every_size_of_the_train_part_has_all_seeds(own_seeds):
    suite = load_suite(own_seeds, settings=parse_assignments(["data.train_size=60,120"]))
    runs = [(run.experiment_name, run.seed, run.data.train_size) for run in suite.runs()]

    assert len(set(runs)) == len(runs) == 2 * 7
    assert [seed for name, seed, size in runs if (name, size) == ("lstm", 120)] == [7, 2]
    assert {size for _, _, size in runs[:8]} == {60, 120}


@pytest.mark.parametrize("options", [{"seeds": [8, 9]}, {"settings": {"seeds": [8, 9]}}])
def test_seeds_of_the_command_line_replace_all_of_them(own_seeds, options):
    suite = load_suite(own_seeds, **options)

    assert set(suite.seeds.values()) == {(8, 9)}
    assert suite.name == "seeds=8 9"


@pytest.mark.parametrize(
    ("changes", "place", "facts"),
    [
        ({"seeds": [1, 1]}, "lstm.seeds", ["1"]),
        ({"seeds": []}, "lstm.seeds", []),
        ({"seeds": 3}, "lstm.seeds", ["3"]),
        ({"seeds": None}, "lstm.seeds", []),
        ({"seeds": [-1]}, "lstm.seeds[0]", ["-1"]),
        ({"sedes": [1]}, "lstm.sedes", ["seeds"]),
    ],
)
def test_what_is_no_list_of_seeds_is_refused(write_config, changes, place, facts):
    with pytest.raises(ConfigError) as refused:
        load_suite(write_config(profiles={"quick": {"overrides": {"lstm": changes}}}))

    [line] = refused.value.lines
    assert_names(line, f"profiles.quick.overrides.{place}: ", *facts)


def test_seeds_belong_to_the_profile_and_not_to_the_experiment(write_config):
    with pytest.raises(ConfigError) as refused:
        load_suite(write_config(experiments={"lstm": {"seeds": [1, 2]}}))

    assert_names(refused, "experiments.lstm.seeds")


def test_a_run_is_the_same_whoever_gives_its_seed(own_seeds, write_config):
    plan = make_plan(load_suite(own_seeds), NOWHERE)
    again = make_plan(load_suite(write_config(profiles={"quick": {"seeds": [1, 2, 3]}})), NOWHERE)

    ours, theirs = (
        {run.identity for run in each.runs if run.config.experiment_name == "rnn"} for each in (plan, again)
    )
    assert len(ours) == 3
    assert ours == theirs


def test_a_search_has_the_first_of_its_experiments_seeds(own_seeds):
    suite = load_suite(own_seeds)
    space = SearchSpace.model_validate({"training.epochs": {"type": "categorical", "choices": [1, 2]}})
    planned = plan_study(replace(suite, search={"lstm": space}), "lstm", NOWHERE, "val/loss")

    assert planned.own.seed == 7


def test_tuned_settings_leave_the_seeds(own_seeds, monkeypatch):
    facts = {"study": "s", "trial": 0, "metric": "val/loss", "value": 0.5, "before": None, "complete": 1, "pruned": 0}
    facts |= {"seconds": 1.0, "corpus_fingerprint": "c", "split_fingerprint": "s", "data": {}, "code": {}}
    provenance = Provenance(**facts, finished="today")
    found = TunedSettings(profile="quick", experiment="rnn", settings={"training.epochs": 9}, provenance=provenance)
    monkeypatch.setattr("benchmark.config.load.read_tuned", lambda _, name: found if name == "rnn" else None)
    suite = load_suite(own_seeds, tuned=True)

    assert (suite.seeds["rnn"], suite.experiments["rnn"].training.epochs) == ((1, 2, 3), 9)
