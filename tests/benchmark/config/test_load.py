"""experiments.yaml and the options laid over it: which setting wins, and what is refused."""

from operator import attrgetter
from pathlib import Path

import pytest
import yaml

from benchmark.config import load as config_file
from benchmark.config.errors import ConfigError
from benchmark.config.load import load_suite, locate_config, parse_assignments, profile_names
from benchmark.config.schema import run_from_settings
from benchmark.config.yaml_file import YamlError
from data_pipeline.config import DataConfig
from models.registry import get_model_spec
from tests.helpers.facts import assert_names

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """Settings name the encoder, but nothing here opens it."""
    return tmp_path_factory.mktemp("no-encoder")


def option_faults(path, *assignments) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_suite(path, settings=parse_assignments(assignments))
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


# --set and --seed


def test_set_with_an_experiment_changes_that_one_alone(write_config):
    experiments = load_suite(write_config(), settings={"lstm.training.batch_size": 4}).experiments

    assert {name: e.training.batch_size for name, e in experiments.items()} == {
        "rnn": 16,
        "lstm": 4,
        "bert-frozen": 16,
        "bert-finetuned": 16,
    }


@pytest.mark.parametrize("key", ["training.batch_size=4", "training={batch_size: 4}"])
def test_set_without_an_experiment_changes_all(write_config, key):
    experiments = load_suite(write_config(), settings=parse_assignments([key])).experiments

    assert {experiment.training.batch_size for experiment in experiments.values()} == {4}
    assert {experiment.training.epochs for experiment in experiments.values()} == {2}


@pytest.mark.parametrize(
    ("experiment", "setting", "text", "value"),
    [
        ("lstm", "training.learning_rate", "5e-5", 5e-5),
        ("lstm", "training.max_grad_norm", "null", None),
        ("bert-frozen", "model.encoder.name", "mine", "mine"),
    ],
)
def test_set_reads_rates_switches_off_and_reaches_deep(write_config, experiment, setting, text, value):
    options = parse_assignments([f"{experiment}.{setting}={text}"])
    found = load_suite(write_config(), settings=options).experiments[experiment]

    assert attrgetter(setting)(found) == value


def test_set_changes_the_seeds_and_the_seed_option_wins(write_config):
    assert load_suite(write_config(), settings={"seeds": [3, 4]}).seeds == (3, 4)
    assert load_suite(write_config(), settings={"seeds": [3, 4]}, seeds=[8, 9]).seeds == (8, 9)


@pytest.mark.parametrize(
    ("assignment", "facts"),
    [
        ("lstm.training.epochs=0", ["lstm.training.epochs", "0", "1"]),
        ("lstm.training.epochs=many", ["lstm.training.epochs", "many"]),
        ("lstm.training.epochs=", ["lstm.training.epochs"]),
        ("lstm.training.epoch=3", ["lstm.training.epoch", "epochs"]),
        ("lstm.model.hiden_dim=3", ["lstm.model.hiden_dim", "hidden_dim"]),
        ("rnn.model.name=ltsm", ["rnn.model.name", "ltsm", "lstm"]),
        ("lstm.trainin.epochs=3", ["lstm.trainin.epochs", "training"]),
        ("lsmt.training.epochs=3", ["lsmt.training.epochs", "lstm"]),
        ("lstm=3", ["lstm", "model", "tokens", "training"]),
        ("seed=3", ["seeds"]),
        ("seeds=3", ["seeds", "list", "3"]),
        ("seeds=[3, 3]", ["seeds", "3"]),
        ("data.train_sise=3", ["data.train_sise", "train_size"]),
        ("data.source=embedded", ["data", "path", "table"]),
        *((text, ["KEY=VALUE"]) for text in ("lstm.training.epochs", "=3", "lstm..epochs=3")),
    ],
)
def test_a_bad_option_is_named_and_not_the_file(write_config, assignment, facts):
    [line] = option_faults(write_config(), assignment)

    assert line.startswith(f"--set {assignment.partition('=')[0]}")
    assert_names(line.partition(": ")[2], *facts)
    assert "experiments.yaml" not in line


def test_a_setting_that_one_model_lacks_cannot_be_set_for_all(write_config):
    assert_names(
        option_faults(write_config(), "model.hidden_dim=8")[0], "--set model.hidden_dim=8", "bert-frozen.model"
    )


def test_a_bad_option_after_a_good_one_is_the_one_named(write_config):
    [line] = option_faults(write_config(), "lstm.training.epochs=3", "rnn.training.epochs=-3")

    assert_names(line, "--set rnn.training.epochs=-3")
    assert "lstm" not in line


def test_options_become_settings_and_the_last_of_a_key_wins():
    texts = ["seeds=1,2", "lstm.training.patience=null", "training.epochs=2", "seeds=[3, 4]"]

    settings = parse_assignments(texts)

    assert list(settings.items()) == [
        ("lstm.training.patience", None),
        ("training.epochs", 2),
        ("seeds", [3, 4]),
    ]


def test_settings_may_be_values_of_python(write_config):
    settings = {"data.train_size": (60, "all"), "lstm.model.pooling": "mean", "lstm.training.patience": None}
    suite = load_suite(write_config(), settings=settings | {"lstm.model.bidirectional": True})

    lstm = suite.experiments["lstm"]
    assert [data.train_size for data in suite.data] == [60, "all"]
    assert (lstm.model.pooling, lstm.model.bidirectional, lstm.training.patience) == ("mean", True, None)
    with pytest.raises(ConfigError) as refused:
        load_suite(write_config(), settings={"lstm.training.epochs": 0})
    assert_names(refused, "--set lstm.training.epochs=0", "1")


def test_a_value_that_is_no_yaml_is_named_with_its_column(write_config):
    with pytest.raises(YamlError) as refused:
        load_suite(write_config(), settings=parse_assignments(["lstm.training.epochs=["]))
    assert_names(refused, "--set lstm.training.epochs=[", "line 1, column 2")


def test_two_options_may_be_valid_only_together(write_config):
    path = write_config(profiles={"quick": {"data": {"source": "embedded", "path": None}}})

    data = load_suite(path, settings={"data.source": "table", "data.path": "mine.csv"}).data[0]

    assert (data.source, data.path) == ("table", Path("mine.csv").absolute())


def test_an_option_that_names_a_table_leaves_the_sizes_that_were_written_for_other_reviews(write_config):
    sizes = {"train_size": 3000, "val_size": 500, "test_size": 1000}
    path = write_config(profiles={"quick": {"data": {"source": "embedded", "path": None, **sizes}}})
    table = {"data.source": "table", "data.path": "mine.csv"}

    def chosen(**options):
        return [(data.train_size, data.val_size, data.test_size) for data in load_suite(path, settings=options).data]

    assert chosen() == [(3000, 500, 1000)]
    assert chosen(**table) == [("all", 0.1, 0.2)]
    assert chosen(**table, **{"data.train_size": [0.2, 50], "data.test_size": 20}) == [(0.2, 0.1, 20), (50, 0.1, 20)]
    assert chosen(**{"data.split_seed": 3}) == [(3000, 500, 1000)]


def test_columns_and_labels_of_a_table_are_set_by_options_and_read_back(write_config):
    options = [
        "data.columns={text: review, label: sentiment}",
        "data.columns.text=words",
        "data.labels.negative=[bad, 1]",
        "data.labels.positive=good",
    ]
    suite = load_suite(write_config(), settings=parse_assignments(options))
    data = run_from_settings(suite.runs()[0].settings()).data

    assert data == suite.data[0] == DataConfig.model_validate(data.model_dump(mode="json"))
    assert (data.columns.text, data.columns.label) == ("words", "sentiment")
    assert (data.labels.negative, data.labels.positive) == (("bad", 1), ("good",))
    for wrong, facts in (
        ("data.columns.txt=a", ["data.columns.txt", "text"]),
        ("data.labels.negative=[pos]", ["data.labels", "pos"]),
        ("data.labels.negative=[]", ["data.labels.negative"]),
        ("data.val_size=1.5", ["data.val_size", "share"]),
    ):
        [line] = option_faults(write_config(), wrong)
        assert_names(line, *facts)
    plain = write_config(profiles={"quick": {"data": {"source": "embedded", "path": None}}})
    [line] = option_faults(plain, "data.columns.text=a")
    assert_names(line, "columns", "source: table")


def test_relative_paths_start_at_the_file_that_says_them_and_those_of_options_at_the_working_folder(
    write_config, tmp_path, monkeypatch
):
    encoder = {"model": {"encoder": {"path": "encoders/small"}}}
    path = write_config(
        profiles={
            "quick": {
                "data": {"path": "reviews.csv"},
                "experiments": ["bert-frozen", "bert-finetuned"],
                "overrides": {"bert-finetuned": encoder},
            }
        },
        experiments={"bert-frozen": encoder},
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    def paths(**options):
        suite = load_suite(Path("..", path.name), settings=options)
        (data,) = {run_from_settings(run.settings()).data for run in suite.runs()}
        return data.path, *(each.model.encoder.path for each in suite.experiments.values())

    small = tmp_path / "encoders" / "small"
    assert paths() == (tmp_path / "reviews.csv", small, small)
    mine = {"data.path": "mine.csv", "bert-frozen.model.encoder.path": Path("mine")}
    assert paths(**mine) == (tmp_path / "elsewhere" / "mine.csv", tmp_path / "elsewhere" / "mine", small)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert paths(**{"data.path": "~/mine.csv"})[0] == tmp_path / "home" / "mine.csv"


def test_a_seed_given_twice_names_the_seed_option(write_config):
    with pytest.raises(ConfigError) as refused:
        load_suite(write_config(), seeds=[1, 1])
    assert_names(refused, "--seed", "1")


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
