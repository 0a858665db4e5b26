"""experiments.yaml: what it becomes, and which setting wins."""

from pathlib import Path

import pytest
import yaml

from benchmark.config import load as config_file
from benchmark.config.errors import ConfigError
from benchmark.config.load import load_suite, locate_config, parse_assignments, profile_names
from benchmark.config.schema import run_from_settings
from models.registry import get_model_spec
from tests.helpers.facts import assert_names

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """Settings name the encoder, but nothing here opens it."""
    return tmp_path_factory.mktemp("no-encoder")


# What a valid file becomes


def test_a_profile_becomes_a_suite(write_config, reviews_csv):
    suite = load_suite(write_config(), "quick")

    assert (suite.profile, suite.description, {*suite.seeds.values()}) == ("quick", "made-up reviews", {(1,)})
    (data,) = suite.data
    assert (data.path, data.train_size, data.split_seed) == (reviews_csv, 200, 7)
    assert list(suite.experiments) == ["rnn", "lstm", "bert-frozen", "bert-finetuned"]
    assert [figure.experiment for figure in suite.published] == ["lstm", "bert-finetuned"]


def test_each_experiment_has_the_settings_of_its_own_model(write_config):
    experiments = load_suite(write_config()).experiments

    for name, experiment in experiments.items():
        assert type(experiment.model) is get_model_spec(name).config_class
    assert experiments["lstm"].model.hidden_dim == 16
    assert experiments["bert-frozen"].model.standardize


def test_each_experiment_of_the_profile_runs_in_its_order_with_one_seed_after_the_other(write_config):
    path = write_config(profiles={"quick": {"experiments": ["lstm", "rnn"], "seeds": [5, 4]}})

    assert list(load_suite(path).experiments) == ["lstm", "rnn"]
    assert [run.name for run in load_suite(path).runs()] == ["lstm seed 5", "rnn seed 5", "lstm seed 4", "rnn seed 4"]


# Which setting wins: option, profile, experiment, default


@pytest.mark.parametrize(
    ("experiment", "profile", "options", "expected"),
    [
        ({}, {}, [], 0.01),
        ({"weight_decay": 0.1}, {}, [], 0.1),
        ({"weight_decay": 0.1}, {"weight_decay": 0.2}, [], 0.2),
        ({"weight_decay": 0.1}, {"weight_decay": 0.2}, ["lstm.training.weight_decay=0.3"], 0.3),
        ({}, {}, ["lstm.training.weight_decay=0.3", "training.weight_decay=0.4"], 0.4),
    ],
    ids=["default", "experiment", "profile", "option", "later option"],
)
def test_the_most_specific_setting_wins(write_config, experiment, profile, options, expected):
    path = write_config(
        experiments={"lstm": {"training": experiment}},
        profiles={"quick": {"overrides": {"lstm": {"training": profile}}}},
    )

    assert load_suite(path, settings=parse_assignments(options)).experiments["lstm"].training.weight_decay == expected


def test_a_profile_changes_what_it_names_and_nothing_beside_it(write_config):
    overrides = {"lstm": {"training": {"epochs": 9}}}
    plain = load_suite(write_config()).experiments
    changed = load_suite(write_config(profiles={"quick": {"overrides": overrides}})).experiments

    lstm = plain["lstm"]
    trained_longer = lstm.model_copy(update={"training": lstm.training.model_copy(update={"epochs": 9})})
    assert changed == plain | {"lstm": trained_longer}


def test_all_profiles_are_listed_and_none_changes_another(write_config, config_content):
    other = {**config_content["profiles"]["quick"], "overrides": {"lstm": {"training": {"epochs": 9}}}}
    path = write_config(profiles={"other": other})

    assert profile_names(path) == ["quick", "other"]
    assert load_suite(path, "quick").experiments["lstm"].training.epochs == 2
    assert load_suite(path, "other").experiments["lstm"].training.epochs == 9


# The file that is read


def test_the_repository_s_own_file_is_valid_and_its_quick_profile_needs_no_network():
    suite = load_suite(REPOSITORY / "experiments.yaml", "quick")

    assert suite.data[0].source == "embedded"
    encoders = [encoder for e in suite.experiments.values() if (encoder := getattr(e.model, "encoder", None))]
    assert len(encoders) == 2
    assert {encoder.path for encoder in encoders} == {None}  # None: the wheel's


def test_the_repository_s_profiles_compare_the_models_and_the_baseline_last():
    for profile in ("quick", "full", "paper"):
        suite = load_suite(REPOSITORY / "experiments.yaml", profile)
        attention = () if profile == "paper" else ("lstm-attention",)  # of which the 2021 experiment has no figure

        assert [(name, experiment.model.name) for name, experiment in suite.experiments.items()] == [
            (name, name) for name in ("rnn", "lstm", "bert-frozen", "bert-finetuned", *attention, "bow")
        ]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package in tmp_path/site, and tmp_path/work as the working directory."""
    folder = tmp_path / "site" / "benchmark"
    folder.mkdir(parents=True)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(config_file, "__file__", str(folder / "config" / "load.py"))
    return folder


def test_the_file_is_the_option_s_or_here_or_in_the_package_or_beside_it(package):
    here, inside, beside = Path("experiments.yaml"), package / "experiments.yaml", package.parent / "experiments.yaml"
    for path in (here, inside, beside):
        path.touch()

    assert locate_config(Path("other.yaml")) == Path("other.yaml")  # though there is none
    assert locate_config(None) == here
    here.unlink()
    assert locate_config(None) == inside
    inside.unlink()
    assert locate_config(None) == beside
    beside.unlink()
    with pytest.raises(ConfigError) as refused:
        locate_config(None)
    assert_names(refused, "experiments.yaml", "--config")


# A run is the same after it was written down


def test_a_run_survives_being_written_down(write_config):
    for run in load_suite(write_config()).runs():
        again = run_from_settings(yaml.safe_load(yaml.safe_dump(run.settings(), sort_keys=False)))

        assert again == run
        assert type(again.experiment.model) is type(run.experiment.model)


def test_the_settings_of_a_run_are_complete(write_config):
    settings = load_suite(write_config()).runs()[3].settings()

    assert (settings["profile"], settings["experiment"], settings["seed"]) == ("quick", "bert-finetuned", 1)
    assert settings["data"]["split_seed"] == 7
    assert settings["model"]["attention_dropout"] == 0.1  # the model's own setting, left at its default
    assert settings["model"]["encoder"]["name"] == "tiny"
    assert settings["training"]["precision"] == "fp32"


def test_recorded_settings_of_another_version_are_refused(write_config):
    settings = load_suite(write_config()).runs()[1].settings()
    settings["training"]["momentum"] = 0.9

    with pytest.raises(ConfigError) as refused:
        run_from_settings(settings)
    assert_names(refused, "lstm", "training.momentum")
