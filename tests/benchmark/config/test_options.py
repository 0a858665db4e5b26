"""Options laid over experiments.yaml, `--set` and `--seed`: what they change, and what is refused."""

from operator import attrgetter
from pathlib import Path

import pytest

from benchmark.config.errors import ConfigError
from benchmark.config.load import load_suite, parse_assignments
from benchmark.config.schema import run_from_settings
from benchmark.config.yaml_file import YamlError
from data_pipeline.config import DataConfig
from tests.helpers.facts import assert_names


def option_faults(path, *assignments) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_suite(path, settings=parse_assignments(assignments))
    return str(caught.value).splitlines()


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
    assert set(load_suite(write_config(), settings={"seeds": [3, 4]}).seeds.values()) == {(3, 4)}
    both = load_suite(write_config(), settings={"seeds": [3, 4]}, seeds=[8, 9])
    assert set(both.seeds.values()) == {(8, 9)}


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
