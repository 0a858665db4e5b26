"""What experiments.yaml may not say: each fault is refused in a line that names its key, all of them at once."""

import pytest

from benchmark.config.errors import ConfigError
from benchmark.config.load import load_suite
from tests.helpers.facts import assert_names

FIGURE = {"experiment": "lstm", "test_accuracy": 86.62, "corpus": "a corpus", "source": "a paper", "setup": "unknown"}


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """Settings name the encoder, but nothing here opens it."""
    return tmp_path_factory.mktemp("no-encoder")


def faults(path, **choice) -> list[str]:
    """The lines with which the file is refused, without its name."""
    with pytest.raises(ConfigError) as caught:
        load_suite(path, **choice)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


@pytest.mark.parametrize(
    ("changes", "key", "suggestion"),
    [
        ({"profile": {}}, "profile", "profiles"),
        ({"profiles": {"quick": {"seed": [1]}}}, "profiles.quick.seed", "seeds"),
        ({"profiles": {"quick": {"data": {"train_sise": 9}}}}, "profiles.quick.data.train_sise", "train_size"),
        ({"experiments": {"rnn": {"token": {}}}}, "experiments.rnn.token", "tokens"),
        ({"experiments": {"rnn": {"model": {"hiden_dim": 9}}}}, "experiments.rnn.model.hiden_dim", "hidden_dim"),
        (
            {"experiments": {"bert-frozen": {"model": {"encoder": {"pth": "x"}}}}},
            "experiments.bert-frozen.model.encoder.pth",
            "path",
        ),
        ({"experiments": {"rnn": {"tokens": {"maxlength": 9}}}}, "experiments.rnn.tokens.maxlength", "max_length"),
        ({"experiments": {"rnn": {"training": {"epoch": 9}}}}, "experiments.rnn.training.epoch", "epochs"),
        ({"published": [FIGURE | {"sorce": "x"}]}, "published[0].sorce", "source"),
    ],
)
def test_an_unknown_key_gets_a_suggestion_at_every_level(write_config, changes, key, suggestion):
    [line] = faults(write_config(**changes))

    assert_names(line, key, suggestion)


@pytest.mark.parametrize(
    ("section", "key", "value", "facts"),
    [
        ("training", "epochs", "three", ["three"]),
        ("training", "epochs", 3.0, ["3.0"]),
        ("training", "epochs", True, []),
        ("training", "epochs", None, []),
        ("training", "learning_rate", "fast", ["fast"]),
        ("training", "length_grouping", 1, ["1"]),
        ("training", "epochs", 0, ["1", "0"]),
        ("training", "learning_rate", 0.0, ["0.0"]),
        ("training", "learning_rate", float("nan"), ["10", "nan"]),
        ("training", "precision", "bf32", ["auto", "fp32", "bf16", "fp16", "bf32"]),
        ("training", "patience", 0, ["1", "0"]),
        ("tokens", "max_length", 3, ["8", "3"]),
        ("model", "dropout", 1.0, ["1.0"]),
        ("model", "pooling", "sum", ["last", "mean", "max", "sum"]),
        ("tokens", "zzz", 1, ["max_length", "truncation", "vocab_size", "min_count"]),
    ],
)
def test_a_wrong_type_an_impossible_value_or_an_unknown_key_is_shown(write_config, section, key, value, facts):
    [line] = faults(write_config(experiments={"lstm": {section: {key: value}}}))

    assert_names(line, f"experiments.lstm.{section}.{key}", *facts)


@pytest.mark.parametrize("value", [3, None, [1]])
def test_a_section_must_be_a_mapping(write_config, value):
    [line] = faults(write_config(experiments={"lstm": {"training": value}}))

    assert_names(line, "experiments.lstm.training")


@pytest.mark.parametrize("model", ["lstm", {"name": 3}, None])
def test_a_model_is_a_mapping_with_a_name(write_config, model):
    [line] = faults(write_config(experiments={"rnn": {"model": model}}))

    assert_names(line, "experiments.rnn.model", "model: {name: lstm}")


@pytest.mark.parametrize(
    ("quick", "key", "facts"),
    [
        ({"data": {"path": None}}, "data", ["path", "source", "table"]),
        ({"data": {"source": "imdb"}}, "data.source", ["embedded", "aclimdb", "table", "imdb"]),
        ({"experiments": ["rnn", "ltsm"]}, "experiments[1]", ["ltsm", "lstm"]),
        ({"experiments": ["rnn"], "overrides": {"lstm": {}}}, "overrides", ["lstm", "rnn"]),
        ({"overrides": {"lsmt": {}}}, "overrides", ["lsmt", "lstm"]),
        ({"overrides": {"rnn": {"training": {"epochs": 0}}}}, "overrides.rnn.training.epochs", ["1", "0"]),
        ({"seeds": [1, 2, 1]}, "seeds", ["1"]),
        ({"seeds": []}, "seeds", []),
        ({"seeds": 1}, "seeds", ["1"]),
        ({"seeds": [-1]}, "seeds[0]", ["-1"]),
        ({"seeds": [1.5]}, "seeds[0]", ["1.5"]),
        ({"experiments": ["rnn", "lstm", "rnn"]}, "experiments", ["rnn"]),
        ({"experiments": []}, "experiments", []),
        ({"experiments": "rnn"}, "experiments", ["rnn"]),
    ],
)
def test_a_fault_of_a_profile_names_the_profile(write_config, quick, key, facts):
    [line] = faults(write_config(profiles={"quick": quick}))

    assert line.startswith(f"profiles.quick.{key}: ")
    assert_names(line, *facts)


def test_an_unknown_profile_gets_a_suggestion(write_config):
    [line] = faults(write_config(), profile="quik")

    assert_names(line, "quik", "quick")


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31mred", "\u202eflipped", "two\u2028lines", "a tab\t."])
@pytest.mark.parametrize(
    ("changes", "key"),
    [
        (lambda text: {"published": [FIGURE | {"source": text}]}, "published[0].source"),
        (lambda text: {"published": [FIGURE | {"setup": text}]}, "published[0].setup"),
        (lambda text: {"published": [FIGURE | {"corpus": text}]}, "published[0].corpus"),
        (lambda text: {"published": [FIGURE | {"encoder": text}]}, "published[0].encoder"),
        (lambda text: {"profiles": {"quick": {"description": text}}}, "profiles.quick.description"),
        (
            lambda text: {"experiments": {"bert-frozen": {"model": {"encoder": {"name": text}}}}},
            "experiments.bert-frozen.model.encoder.name",
        ),
    ],
)
def test_a_free_text_is_one_line_without_control_characters(write_config, changes, key, text):
    [line] = faults(write_config(**changes(text)))

    assert_names(line, key)
    assert line.isprintable()


def test_a_free_text_may_be_written_as_a_block_and_in_any_script(write_config):
    text = "naïve 映画\u3000\u00a0👨\u200d👩 می\u200cخواهم"
    suite = load_suite(write_config(published=[FIGURE | {"source": f"{text}\n"}]))

    assert suite.published[0].source == text


def test_a_published_figure_needs_its_source_and_a_possible_accuracy(write_config):
    figure = {key: value for key, value in FIGURE.items() if key != "source"}
    accuracy, source = faults(write_config(published=[figure | {"test_accuracy": 866.2}]))

    assert_names(accuracy, "published[0].test_accuracy", "100", "866.2")
    assert_names(source, "published[0].source")


@pytest.mark.parametrize("name", ["data", "seeds", "model", "tokens", "training", "all", "LSTM", "a b", "a.b", "-a"])
def test_an_experiment_cannot_have_a_name_that_an_option_would_misread(write_config, config_content, name):
    [line] = faults(write_config(experiments={name: config_content["experiments"]["lstm"]}))

    assert line.startswith("experiments: ")
    assert_names(line, repr(name), "-", "_")


@pytest.mark.parametrize("text", ["", "# only a comment\n", "- a\n- b\n", "a"])
def test_a_file_of_another_shape_is_refused_with_the_keys_it_needs(tmp_path, text):
    path = tmp_path / "experiments.yaml"
    path.write_text(text, encoding="utf-8")
    [line] = faults(path)

    assert_names(line, "profiles", "experiments", "search", "published", "plugin")


def test_the_whole_file_is_checked_whichever_profile_is_picked(write_config, config_content):
    broken = config_content["profiles"]["quick"] | {"overrides": {"lstm": {"training": {"epochs": 0}}}}
    [line] = faults(write_config(profiles={"broken": broken}), profile="quick")

    assert_names(line, "profiles.broken.overrides.lstm.training.epochs")


BAD_EXPERIMENTS = {
    "rnn": {"model": {"name": "rnm"}},
    "lstm": {"training": {"epochs": 0, "batch": 3}},
    "bert-frozen": {"model": {"pooling": "max"}},
}
BAD_REFERENCES = {"experiments": ["rnn", "ltsm"], "overrides": {"bert": {}, "rnn": {"training": {"epochs": 0}}}}


@pytest.mark.parametrize(
    ("experiments", "quick", "keys"),
    [
        (
            BAD_EXPERIMENTS,
            {"data": {"train_size": 0}},
            {
                "profiles.quick.data.train_size[0]",
                "experiments.rnn.model.name",
                "experiments.lstm.training.epochs",
                "experiments.lstm.training.batch",
                "experiments.bert-frozen.model.pooling",
            },
        ),
        (
            {},
            BAD_REFERENCES,
            {
                "profiles.quick.experiments[1]",
                "profiles.quick.overrides",
                "profiles.quick.overrides.rnn.training.epochs",
            },
        ),
    ],
    ids=["experiments", "references"],
)
def test_all_faults_are_reported_at_once(write_config, experiments, quick, keys):
    published = [FIGURE, FIGURE, FIGURE | {"experiment": "bert-finetune"}]
    changes = {"experiments": experiments, "profiles": {"quick": quick}, "published": published}
    lines = faults(write_config(**changes))

    assert len(lines) == len(keys) + 1
    assert {line.split(": ")[0] for line in lines} == keys | {"published[2].experiment"}
    assert_names(lines[-1], "bert-finetuned")


def test_an_experiment_has_one_published_figure(write_config):
    [line] = faults(write_config(published=[FIGURE, FIGURE]))

    assert_names(line, "published[1].experiment", "lstm")


def test_a_file_without_profiles_or_experiments(tmp_path):
    path = tmp_path / "experiments.yaml"
    path.write_text("published: []\n", encoding="utf-8")

    assert [line.split(": ")[0] for line in faults(path)] == ["profiles", "experiments"]
