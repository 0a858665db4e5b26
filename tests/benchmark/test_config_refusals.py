"""What experiments.yaml may not say, and how it is told: each fault in a line, all of them at once."""

import pytest

from benchmark.config_file import load_suite
from benchmark.validation import ConfigError
from benchmark.yaml_reader import YamlError


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """Settings name the encoder, but nothing here opens it."""
    return tmp_path_factory.mktemp("no-encoder")


def faults(path, *options, **choice) -> list[str]:
    """The lines with which the file is refused, without its name."""
    with pytest.raises(ConfigError) as caught:
        load_suite(path, *options, **choice)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


def write_text(tmp_path, text):
    path = tmp_path / "experiments.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"profile": {}}, "profile: unknown key; did you mean 'profiles'?"),
        ({"profiles": {"quick": {"seed": [1]}}}, "profiles.quick.seed: unknown key; did you mean 'seeds'?"),
        (
            {"profiles": {"quick": {"data": {"train_sise": 9}}}},
            "profiles.quick.data.train_sise: unknown key; did you mean 'train_size'?",
        ),
        ({"experiments": {"rnn": {"token": {}}}}, "experiments.rnn.token: unknown key; did you mean 'tokens'?"),
        (
            {"experiments": {"rnn": {"model": {"hiden_dim": 9}}}},
            "experiments.rnn.model.hiden_dim: unknown key; did you mean 'hidden_dim'?",
        ),
        (
            {"experiments": {"bert-frozen": {"model": {"encoder": {"pth": "x"}}}}},
            "experiments.bert-frozen.model.encoder.pth: unknown key; did you mean 'path'?",
        ),
        (
            {"experiments": {"rnn": {"tokens": {"maxlength": 9}}}},
            "experiments.rnn.tokens.maxlength: unknown key; did you mean 'max_length'?",
        ),
        (
            {"experiments": {"rnn": {"training": {"epoch": 9}}}},
            "experiments.rnn.training.epoch: unknown key; did you mean 'epochs'?",
        ),
    ],
)
def test_an_unknown_key_gets_a_suggestion_at_every_level(write_config, changes, fault):
    assert faults(write_config(**changes)) == [fault]


def test_an_unknown_key_of_a_published_figure_gets_a_suggestion(write_config, config_content):
    figure = config_content["published"][0]

    assert faults(write_config(published=[{**figure, "sorce": "x"}])) == [
        "published[0].sorce: unknown key; did you mean 'source'?"
    ]


def test_an_unknown_key_like_no_other_gets_the_list(write_config):
    assert faults(write_config(experiments={"rnn": {"tokens": {"zzz": 1}}})) == [
        "experiments.rnn.tokens.zzz: unknown key; known: max_length, truncation, vocab_size, min_count"
    ]


@pytest.mark.parametrize(
    ("section", "key", "value", "fault"),
    [
        ("training", "epochs", "three", "should be a valid integer, found 'three'"),
        ("training", "epochs", 3.0, "should be a valid integer, found 3.0"),
        ("training", "epochs", True, "should be a valid integer, found True"),
        ("training", "epochs", None, "should be a valid integer, found None"),
        ("training", "learning_rate", "fast", "should be a valid number, found 'fast'"),
        ("training", "length_grouping", 1, "should be a valid boolean, found 1"),
        ("training", "epochs", 0, "should be greater than or equal to 1, found 0"),
        ("training", "learning_rate", 0.0, "should be greater than 0, found 0.0"),
        ("training", "learning_rate", float("nan"), "should be less than 10, found nan"),
        ("training", "precision", "bf32", "should be 'auto', 'fp32', 'bf16' or 'fp16', found 'bf32'"),
        ("training", "patience", 0, "should be greater than or equal to 1, found 0"),
        ("tokens", "max_length", 3, "should be greater than or equal to 8, found 3"),
        ("model", "dropout", 1.0, "should be less than 1, found 1.0"),
        ("model", "pooling", "sum", "should be 'last', 'mean' or 'max', found 'sum'"),
    ],
)
def test_a_wrong_type_or_an_impossible_value_is_shown(write_config, section, key, value, fault):
    path = write_config(experiments={"lstm": {section: {key: value}}})

    assert faults(path) == [f"experiments.lstm.{section}.{key}: {fault}"]


@pytest.mark.parametrize("value", [3, None, [1]])
def test_a_section_must_be_a_mapping(write_config, value):
    [line] = faults(write_config(experiments={"lstm": {"training": value}}))

    assert line.startswith("experiments.lstm.training: should be a mapping of keys to values")


def test_a_reviews_table_needs_its_path(write_config):
    path = write_config(profiles={"quick": {"data": {"path": None}}})

    assert faults(path) == ["profiles.quick.data: `path` goes with `source: table`, and that source needs it"]


def test_an_unknown_source_is_shown(write_config):
    path = write_config(profiles={"quick": {"data": {"source": "imdb"}}})

    assert faults(path) == ["profiles.quick.data.source: should be 'embedded', 'aclimdb' or 'table', found 'imdb'"]


def test_an_unknown_model_gets_a_suggestion(write_config):
    path = write_config(experiments={"lstm": {"model": {"name": "ltsm"}}})

    assert faults(path) == ["experiments.lstm.model.name: there is no model 'ltsm'; did you mean 'lstm'?"]


@pytest.mark.parametrize("model", ["lstm", {"name": 3}, None])
def test_a_model_is_a_mapping_with_a_name(write_config, model):
    [line] = faults(write_config(experiments={"lstm": {"model": model}}))

    assert line == "experiments.lstm.model: wants the name of a registered model, as in `model: {name: lstm}`"


def test_an_unknown_profile_gets_a_suggestion(write_config):
    assert faults(write_config(), profile="quik") == ["there is no profile 'quik'; did you mean 'quick'?"]


def test_an_unknown_experiment_in_a_profile_gets_a_suggestion(write_config):
    path = write_config(profiles={"quick": {"experiments": ["rnn", "ltsm"]}})

    assert faults(path) == ["profiles.quick.experiments: there is no experiment 'ltsm'; did you mean 'lstm'?"]


def test_a_profile_changes_only_experiments_that_it_runs(write_config):
    path = write_config(profiles={"quick": {"experiments": ["rnn"], "overrides": {"lstm": {}}}})

    assert faults(path) == ["profiles.quick.overrides: 'lstm' is not an experiment of this profile; known: rnn"]


def test_a_change_of_an_unknown_experiment_gets_a_suggestion(write_config):
    path = write_config(profiles={"quick": {"overrides": {"lsmt": {}}}})

    assert faults(path) == [
        "profiles.quick.overrides: 'lsmt' is not an experiment of this profile; did you mean 'lstm'?"
    ]


def test_a_fault_that_a_profile_brings_in_is_told_of_the_profile(write_config):
    path = write_config(profiles={"quick": {"overrides": {"lstm": {"training": {"epochs": 0}}}}})

    assert faults(path) == [
        "profiles.quick.overrides.lstm.training.epochs: should be greater than or equal to 1, found 0"
    ]


def test_a_published_figure_of_an_unknown_experiment_gets_a_suggestion(write_config, config_content):
    figures = config_content["published"]
    figures[1]["experiment"] = "bert-finetune"

    [line] = faults(write_config(published=figures))

    assert "there is no experiment 'bert-finetune'; did you mean 'bert-finetuned'?" in line
    assert line.startswith("published[1].experiment: ")


def test_a_published_figure_needs_its_source_and_a_possible_accuracy(write_config, config_content):
    figure = {key: value for key, value in config_content["published"][0].items() if key != "source"}

    assert faults(write_config(published=[{**figure, "test_accuracy": 866.2}])) == [
        "published[0].test_accuracy: should be less than or equal to 100, found 866.2",
        "published[0].source: is missing",
    ]


@pytest.mark.parametrize(
    ("key", "values", "fault"),
    [
        ("seeds", [1, 2, 1], "1 stands here twice"),
        ("seeds", [], "should not be empty"),
        ("seeds", 1, "should be a list, found 1"),
        ("experiments", ["rnn", "lstm", "rnn"], "rnn stands here twice"),
        ("experiments", [], "should not be empty"),
        ("experiments", "rnn", "should be a list, found 'rnn'"),
    ],
)
def test_seeds_and_experiments_of_a_profile_are_lists_of_different_things(write_config, key, values, fault):
    [line] = faults(write_config(profiles={"quick": {key: values}}))

    assert line.startswith(f"profiles.quick.{key}: {fault}")


@pytest.mark.parametrize(
    ("seed", "fault"),
    [(-1, "should be greater than or equal to 0, found -1"), (1.5, "should be a valid integer, found 1.5")],
)
def test_a_bad_seed_is_one_fault(write_config, seed, fault):
    assert faults(write_config(profiles={"quick": {"seeds": [seed]}})) == [f"profiles.quick.seeds[0]: {fault}"]


@pytest.mark.parametrize("name", ["data", "seeds", "model", "tokens", "training", "all", "LSTM", "a b", "a.b", "-a"])
def test_an_experiment_cannot_have_a_name_that_an_option_would_misread(write_config, config_content, name):
    path = write_config(experiments={name: config_content["experiments"]["lstm"]})

    [line] = faults(path)

    assert line.startswith(f"experiments: {name!r} cannot be a name; use small letters, digits, - and _, and none of ")


@pytest.mark.parametrize(
    ("text", "found"), [("", "nothing"), ("# only a comment\n", "nothing"), ("- a\n- b\n", "a list"), ("a", "a str")]
)
def test_a_file_of_another_shape_is_told_which_keys_it_wants(tmp_path, text, found):
    assert faults(write_text(tmp_path, text)) == [
        f"wants the keys profiles, experiments, search, published, plugin, found {found}"
    ]


def test_a_file_without_profiles_or_experiments(tmp_path):
    assert faults(write_text(tmp_path, "published: []\n")) == ["profiles: is missing", "experiments: is missing"]


def test_an_experiment_given_twice_is_refused(write_config):
    path = write_config()
    path.write_text(path.read_text().replace("\nexperiments:\n", "\nexperiments:\n  lstm: {}\n"))

    with pytest.raises(YamlError, match=r"experiments\.yaml, line \d+, column 3: the name 'lstm' stands here twice"):
        load_suite(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(YamlError, match=r"nowhere\.yaml: cannot be read: No such file"):
        load_suite(tmp_path / "nowhere.yaml")


def test_the_whole_file_is_checked_whichever_profile_is_picked(write_config, config_content):
    broken = {**config_content["profiles"]["quick"], "overrides": {"lstm": {"training": {"epochs": 0}}}}
    path = write_config(profiles={"broken": broken})

    [line] = faults(path, profile="quick")

    assert line.startswith("profiles.broken.overrides.lstm.training.epochs: ")


def test_all_faults_of_the_experiments_are_told_at_once(write_config):
    path = write_config(
        experiments={
            "rnn": {"model": {"name": "rnm"}},
            "lstm": {"training": {"epochs": 0, "batch": 3}},
            "bert-frozen": {"model": {"pooling": "max"}},
        }
    )

    assert [line.split(": ")[0] for line in faults(path)] == [
        "experiments.rnn.model.name",
        "experiments.lstm.training.epochs",
        "experiments.lstm.training.batch",
        "experiments.bert-frozen.model.pooling",
    ]


def test_all_wrong_references_are_told_at_once(write_config, config_content):
    figure = {**config_content["published"][0], "experiment": "gru"}
    path = write_config(
        profiles={
            "quick": {
                "experiments": ["rnn", "ltsm"],
                "overrides": {"bert": {}, "rnn": {"training": {"epochs": 0}}},
            }
        },
        published=[figure],
    )

    lines = faults(path)

    assert sorted(line.split(": ")[0] for line in lines) == [
        "profiles.quick.experiments",
        "profiles.quick.overrides",
        "profiles.quick.overrides.rnn.training.epochs",
        "published[0].experiment",
    ]


def test_faults_of_a_profile_and_of_an_experiment_are_told_at_once(write_config, config_content):
    path = write_config(
        profiles={"quick": {"data": {"train_size": 0}}},
        experiments={"lstm": {"training": {"epochs": 0}}},
        published=[{**config_content["published"][0], "experiment": "gru"}],
    )

    assert len(faults(path)) == 3
