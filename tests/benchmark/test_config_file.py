"""experiments.yaml and the options laid over it: which setting wins, and what is refused, in which words."""

import json
from pathlib import Path

import pytest
import yaml

from benchmark import config_file
from benchmark.config import run_from_settings
from benchmark.config_file import load_suite, locate_config, profile_names
from benchmark.validation import ConfigError
from benchmark.yaml_reader import YamlError
from models.registry import get_model_spec

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """Settings name the encoder, but nothing here opens it."""
    return tmp_path_factory.mktemp("no-encoder")


def option_faults(path, *assignments) -> list[str]:
    """The lines with which `--set` is refused."""
    with pytest.raises(ConfigError) as caught:
        load_suite(path, assignments=assignments)
    return str(caught.value).splitlines()


# What a valid file becomes


def test_a_profile_becomes_a_suite(write_config, reviews_csv):
    suite = load_suite(write_config(), "quick")

    assert (suite.profile, suite.description, suite.seeds) == ("quick", "made-up reviews", (1,))
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


def test_only_the_experiments_of_the_profile_are_run_and_in_its_order(write_config):
    path = write_config(profiles={"quick": {"experiments": ["lstm", "rnn"]}})

    assert list(load_suite(path).experiments) == ["lstm", "rnn"]


def test_there_is_a_run_for_each_experiment_and_seed_and_a_seed_is_done_before_the_next(write_config):
    path = write_config(profiles={"quick": {"experiments": ["lstm", "rnn"], "seeds": [5, 4]}})

    assert [run.name for run in load_suite(path).runs()] == ["lstm seed 5", "rnn seed 5", "lstm seed 4", "rnn seed 4"]


def test_all_profiles_are_listed(write_config, config_content):
    path = write_config(profiles={"paper": config_content["profiles"]["quick"]})

    assert profile_names(path) == ["quick", "paper"]


def test_published_figures_are_optional(write_config):
    assert load_suite(write_config(published=[])).published == ()


# Which setting wins: option, profile, experiment, default


def test_what_nobody_sets_has_its_default(write_config):
    assert load_suite(write_config()).experiments["lstm"].training.weight_decay == 0.01


def test_the_experiment_wins_over_the_default(write_config):
    path = write_config(experiments={"lstm": {"training": {"weight_decay": 0.1}}})

    assert load_suite(path).experiments["lstm"].training.weight_decay == 0.1


def test_the_profile_wins_over_the_experiment(write_config):
    path = write_config(
        experiments={"lstm": {"training": {"weight_decay": 0.1}}},
        profiles={"quick": {"overrides": {"lstm": {"training": {"weight_decay": 0.2}}}}},
    )

    assert load_suite(path).experiments["lstm"].training.weight_decay == 0.2


def test_the_option_wins_over_the_profile(write_config):
    path = write_config(
        experiments={"lstm": {"training": {"weight_decay": 0.1}}},
        profiles={"quick": {"overrides": {"lstm": {"training": {"weight_decay": 0.2}}}}},
    )

    suite = load_suite(path, assignments=["lstm.training.weight_decay=0.3"])

    assert suite.experiments["lstm"].training.weight_decay == 0.3


def test_of_two_options_the_later_wins(write_config):
    suite = load_suite(write_config(), assignments=["lstm.training.epochs=7", "training.epochs=8"])

    assert suite.experiments["lstm"].training.epochs == 8


def test_a_profile_changes_what_it_names_and_nothing_beside_it(write_config):
    overrides = {"lstm": {"training": {"epochs": 9}}}
    plain = load_suite(write_config()).experiments
    changed = load_suite(write_config(profiles={"quick": {"overrides": overrides}})).experiments

    lstm = plain["lstm"]
    assert changed["lstm"] == lstm.model_copy(update={"training": lstm.training.model_copy(update={"epochs": 9})})
    assert {name: changed[name] for name in plain if name != "lstm"} == {
        name: plain[name] for name in plain if name != "lstm"
    }


def test_a_profile_does_not_change_another_one(write_config, config_content):
    other = {**config_content["profiles"]["quick"], "overrides": {"lstm": {"training": {"epochs": 9}}}}
    path = write_config(profiles={"other": other})

    assert load_suite(path, "quick").experiments["lstm"].training.epochs == 2
    assert load_suite(path, "other").experiments["lstm"].training.epochs == 9


# --set and --seed


def test_set_with_an_experiment_changes_that_one_alone(write_config):
    experiments = load_suite(write_config(), assignments=["lstm.training.batch_size=4"]).experiments

    assert {name: e.training.batch_size for name, e in experiments.items()} == {
        "rnn": 16,
        "lstm": 4,
        "bert-frozen": 16,
        "bert-finetuned": 16,
    }


@pytest.mark.parametrize("key", ["training.batch_size=4", "training={batch_size: 4}"])
def test_set_without_an_experiment_changes_all(write_config, key):
    experiments = load_suite(write_config(), assignments=[key]).experiments

    assert {experiment.training.batch_size for experiment in experiments.values()} == {4}
    assert {experiment.training.epochs for experiment in experiments.values()} == {2}


def test_set_reads_a_rate_without_a_dot(write_config):
    suite = load_suite(write_config(), assignments=["lstm.training.learning_rate=5e-5"])

    assert suite.experiments["lstm"].training.learning_rate == 5e-5


def test_set_can_switch_off(write_config):
    suite = load_suite(write_config(), assignments=["lstm.training.max_grad_norm=null"])

    assert suite.experiments["lstm"].training.max_grad_norm is None


def test_set_reaches_settings_within_the_model(write_config):
    suite = load_suite(write_config(), assignments=["bert-frozen.model.encoder.name=mine"])

    assert suite.experiments["bert-frozen"].model.encoder.name == "mine"


def test_set_changes_the_data_of_the_profile(write_config, reviews_csv):
    data = load_suite(write_config(), assignments=["data.train_size=100"]).data[0]

    assert (data.train_size, data.val_size, data.path) == (100, 50, reviews_csv)


def test_set_changes_the_seeds(write_config):
    assert load_suite(write_config(), assignments=["seeds=[3, 4]"]).seeds == (3, 4)


def test_seeds_given_as_such_win_over_all_others(write_config):
    assert load_suite(write_config(), assignments=["seeds=[3, 4]"], seeds=[8, 9]).seeds == (8, 9)


def test_set_leaves_the_file_as_it_is(write_config):
    path = write_config()
    before = path.read_bytes()
    load_suite(path, assignments=["lstm.training.epochs=9"])

    assert path.read_bytes() == before
    assert load_suite(path).experiments["lstm"].training.epochs == 2


@pytest.mark.parametrize(
    ("assignment", "fault"),
    [
        ("lstm.training.epochs=0", "lstm.training.epochs: should be greater than or equal to 1, found 0"),
        ("lstm.training.epochs=many", "lstm.training.epochs: should be a valid integer, found 'many'"),
        ("lstm.training.epochs=", "lstm.training.epochs: should be a valid integer, found None"),
        ("lstm.training.epoch=3", "lstm.training.epoch: unknown key; did you mean 'epochs'?"),
        ("lstm.model.hiden_dim=3", "lstm.model.hiden_dim: unknown key; did you mean 'hidden_dim'?"),
        ("lstm.model.name=ltsm", "lstm.model.name: there is no model 'ltsm'; did you mean 'lstm'?"),
        ("lstm.trainin.epochs=3", "'lstm.trainin.epochs' is no setting; did you mean 'training'?"),
        ("lsmt.training.epochs=3", "'lsmt.training.epochs' is no setting; did you mean 'lstm'?"),
        ("lstm=3", "'lstm' is no setting; known: model, tokens, training"),
        ("seed=3", "'seed' is no setting; did you mean 'seeds'?"),
        ("seeds=3", "seeds: should be a list, found 3"),
        ("seeds=[3, 3]", "seeds: 3 stands here twice"),
        ("data.train_sise=3", "data.train_sise: unknown key; did you mean 'train_size'?"),
        ("data.source=embedded", "data: `path` goes with `source: table`, and that source needs it"),
        ("lstm.training.epochs", "wants KEY=VALUE, as in --set lstm.training.batch_size=32"),
        ("=3", "wants KEY=VALUE, as in --set lstm.training.batch_size=32"),
        ("lstm..epochs=3", "wants KEY=VALUE, as in --set lstm.training.batch_size=32"),
    ],
)
def test_a_bad_option_is_named_and_not_the_file(write_config, assignment, fault):
    assert option_faults(write_config(), assignment) == [f"--set {assignment}: {fault}"]


def test_a_setting_that_one_model_lacks_cannot_be_set_for_all(write_config):
    fault = "--set model.hidden_dim=8: bert-frozen.model.hidden_dim: unknown key"

    assert option_faults(write_config(), "model.hidden_dim=8")[0].startswith(fault)


def test_a_bad_option_after_a_good_one_is_the_one_named(write_config):
    lines = option_faults(write_config(), "lstm.training.epochs=3", "rnn.training.epochs=-3")

    assert lines == [
        "--set rnn.training.epochs=-3: rnn.training.epochs: should be greater than or equal to 1, found -3"
    ]


def test_a_value_that_is_no_yaml_is_named(write_config):
    with pytest.raises(YamlError, match=r"^--set lstm\.training\.epochs=\[, line 1, column 2: "):
        load_suite(write_config(), assignments=["lstm.training.epochs=["])


def test_two_options_may_be_valid_only_together(write_config):
    path = write_config(profiles={"quick": {"data": {"source": "embedded", "path": None}}})

    data = load_suite(path, assignments=["data.source=table", "data.path=mine.csv"]).data[0]

    assert (data.source, data.path) == ("table", Path("mine.csv"))


def test_a_bad_seed_is_told_of_the_seed_option(write_config):
    with pytest.raises(ConfigError, match=r"^--seed: seeds: 1 stands here twice$"):
        load_suite(write_config(), seeds=[1, 1])


# The file that is read


def test_the_repository_s_own_file_is_valid_and_its_quick_profile_needs_no_network():
    suite = load_suite(REPOSITORY / "experiments.yaml", "quick")

    assert suite.data[0].source == "embedded"
    encoders = [e.model.encoder for e in suite.experiments.values() if hasattr(e.model, "encoder")]
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
    """A package folder of our own inside tmp_path/site, and tmp_path/work as the working directory."""
    folder = tmp_path / "site" / "benchmark"
    folder.mkdir(parents=True)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(config_file, "__file__", str(folder / "config_file.py"))
    return folder


def test_the_file_is_looked_for_here_then_in_the_package_then_beside_it(package):
    here, inside, beside = Path("experiments.yaml"), package / "experiments.yaml", package.parent / "experiments.yaml"
    for path in (here, inside, beside):
        path.touch()

    assert locate_config(None) == here
    here.unlink()
    assert locate_config(None) == inside
    inside.unlink()
    assert locate_config(None) == beside
    beside.unlink()
    with pytest.raises(ConfigError, match=r"no experiments\.yaml here nor in the package; name one with --config FILE"):
        locate_config(None)


def test_the_option_wins_even_when_there_is_no_such_file(package):
    Path("experiments.yaml").touch()

    assert locate_config(Path("other.yaml")) == Path("other.yaml")


def test_outside_the_checkout_the_checkout_s_file_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert locate_config(None) == REPOSITORY / "experiments.yaml"


# A run is the same after it was written down


@pytest.mark.parametrize(
    "through",
    [
        lambda settings: settings,
        lambda settings: json.loads(json.dumps(settings)),
        lambda settings: yaml.safe_load(yaml.safe_dump(settings, sort_keys=False)),
    ],
    ids=["as it is", "JSON", "YAML"],
)
def test_a_run_survives_being_written_down(write_config, through):
    for run in load_suite(write_config()).runs():
        again = run_from_settings(through(run.settings()))

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

    with pytest.raises(ConfigError, match=r"^recorded settings: lstm\.training\.momentum: unknown key"):
        run_from_settings(settings)
