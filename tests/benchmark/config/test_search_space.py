"""The `search` section of experiments.yaml: what a space may say, and what is refused."""

import pytest

from benchmark.config.errors import ConfigError
from benchmark.config.load import load_suite, parse_assignments
from benchmark.config.nested import override
from benchmark.config.search_space import KINDS, SearchSpace
from tests.helpers.facts import assert_names

RATE = {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}
WIDTH = {"type": "int", "low": 8, "high": 32, "step": 8}
SCHEDULE = {"type": "categorical", "choices": ["constant", "linear"]}
WARMUP = {"type": "float", "low": 0.0, "high": 0.5, "when": {"training.schedule": ["linear"]}}
SPACE = {
    "training.learning_rate": RATE,
    "model.hidden_dim": WIDTH,
    "training.schedule": SCHEDULE,
    "training.warmup_fraction": WARMUP,
}


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """Settings name the encoder, but nothing here opens it."""
    return tmp_path_factory.mktemp("no-encoder")


@pytest.fixture
def space(write_config) -> SearchSpace:
    return load_suite(write_config(search={"lstm": SPACE})).search["lstm"]


def faults(write_config, space, experiment="lstm") -> list[str]:
    path = write_config(search={experiment: space})
    with pytest.raises(ConfigError) as caught:
        load_suite(path)
    return [line.removeprefix(f"{path}: ") for line in caught.value.lines]


def test_a_suite_has_the_spaces_of_its_experiments(write_config):
    path = write_config(search={"lstm": SPACE, "rnn": {"model.hidden_dim": WIDTH}})

    assert list(load_suite(path).search) == ["rnn", "lstm"]
    assert list(load_suite(path).search["lstm"].parameters) == list(SPACE)


def test_it_survives_json(space):
    assert SearchSpace.model_validate(space.model_dump(mode="json")) == space


@pytest.mark.parametrize(
    ("key", "parameter", "facts"),
    [
        ("training.learning_rat", RATE, ["training.learning_rate"]),
        *((key, SCHEDULE, []) for key in ("model.name", "data.train_size", "lstm", "training")),
        ("training.learning_rate", {"low": 1}, ["type", "float", "int", "categorical"]),
        ("training.learning_rate", {"type": "flot", "low": 0.1, "high": 0.2}, ["type", "flot", "float"]),
        *(("training.learning_rate", wrong, ["type"]) for wrong in (None, 3, "float", [1, 2])),
        ("training.learning_rate", RATE | {"hihg": 1.0}, ["training.learning_rate.hihg", "high"]),
        ("training.learning_rate", RATE | {"high": 1e-3}, ["low", "high"]),
        ("training.learning_rate", RATE | {"low": 0.0}, ["log", "low", "0"]),
        ("training.learning_rate", RATE | {"high": 20.0}, ["20.0", "10"]),
        ("model.hidden_dim", WIDTH | {"high": 30}, ["8", "low"]),
        ("training.schedule", SCHEDULE | {"choices": ["linear"]}, ["choices"]),
        ("training.schedule", SCHEDULE | {"choices": ["linear", "linear"]}, ["choice"]),
        ("training.schedule", SCHEDULE | {"choices": ["linear", "cosin"]}, ["cosin", "constant"]),
    ],
)
def test_a_bad_parameter_is_refused_by_its_key(write_config, key, parameter, facts):
    [line] = faults(write_config, {key: parameter})

    assert line.startswith(f"search.lstm.{key}")
    assert_names(line.removeprefix(f"search.lstm.{key}:"), *facts)


def conditioned_on(key: str, value: str | int = 1) -> dict:
    return {"training.warmup_fraction": {**WARMUP, "when": {key: [value]}}}


@pytest.mark.parametrize(
    ("space", "experiment", "facts"),
    [
        (SPACE, "lsmt", ["search", "lsmt", "lstm"]),
        ({}, "lstm", ["search.lstm"]),
        (
            {"model.encoder.path": {"type": "categorical", "choices": ["a", "b"]}},
            "bert-frozen",
            ["search.bert-frozen.model.encoder.path"],
        ),
        # A condition: on a range, on no parameter, on one that stands below, on a value that is no choice.
        (
            {"training.learning_rate": RATE} | conditioned_on("training.learning_rate"),
            "lstm",
            ["search.lstm.training.warmup_fraction", "when", "training.learning_rate"],
        ),
        (
            {"training.learning_rate": RATE} | conditioned_on("training.batch_size"),
            "lstm",
            ["search.lstm.training.warmup_fraction", "when", "training.batch_size"],
        ),
        (
            conditioned_on("training.schedule", "linear") | {"training.schedule": SCHEDULE},
            "lstm",
            ["search.lstm.training.warmup_fraction", "when", "training.schedule"],
        ),
        (
            {"training.schedule": SCHEDULE} | conditioned_on("training.schedule", 3),
            "lstm",
            ["search.lstm.training.warmup_fraction", "3", "constant", "linear"],
        ),
    ],
)
def test_a_bad_space_is_refused_in_one_line(write_config, space, experiment, facts):
    [line] = faults(write_config, space, experiment)

    assert_names(line, *facts)


def test_all_faults_are_reported_at_once(write_config):
    space = {"training.learning_rate": RATE | {"low": 2.0}, "model.hidden_dim": WIDTH | {"step": 0}}

    assert len(faults(write_config, space)) == 2


class TestOwnSettings:
    """A search begins with the experiment's own settings."""

    def test_they_have_a_value_of_each_parameter(self, space, write_config):
        settings = load_suite(write_config()).experiments["lstm"].model_dump(mode="json")

        assert space.values_in(settings) == {
            "training.learning_rate": 1e-2,
            "model.hidden_dim": 16,
            "training.schedule": "linear",
            "training.warmup_fraction": 0.1,
        }

    def test_but_of_those_whose_condition_is_not_met(self, space, write_config):
        suite = load_suite(write_config(), settings={"lstm.training.schedule": "constant"})

        assert "training.warmup_fraction" not in space.values_in(suite.experiments["lstm"].model_dump(mode="json"))

    @pytest.mark.parametrize(
        ("assignment", "facts"),
        [
            ("lstm.training.learning_rate=0.5", ["training.learning_rate", "0.5", "0.001", "0.1", "log"]),
            ("lstm.model.hidden_dim=12", ["model.hidden_dim", "12", "8", "32"]),
            ("lstm.training.schedule=cosine", ["training.schedule", "cosine", "constant", "linear"]),
        ],
    )
    def test_those_that_no_trial_could_have_are_refused(self, space, write_config, assignment, facts):
        suite = load_suite(write_config(), settings=parse_assignments([assignment]))

        with pytest.raises(ConfigError) as refused:
            space.check_start(suite.experiments["lstm"].plain(), "search.lstm")
        assert_names(refused, "search.lstm", *facts)


@pytest.mark.parametrize(
    ("parameter", "own", "holds"),
    [
        ({"type": "categorical", "choices": [1, 10, 30]}, 10.0, True),
        ({"type": "categorical", "choices": [None, 1]}, 1.0, True),
        ({"type": "categorical", "choices": [1, 2]}, True, False),
        ({"type": "int", "low": 0, "high": 30, "step": 10}, 10.0, True),
        ({"type": "int", "low": 0, "high": 30, "step": 10}, 10.5, False),
        ({"type": "int", "low": 0, "high": 30}, True, False),
        ({"type": "float", "low": 0, "high": 30}, 10, True),
    ],
)
def test_numbers_are_compared_by_their_value(parameter, own, holds):
    assert KINDS[parameter["type"]].model_validate(parameter).holds(own) is holds


def test_override_changes_the_named_settings_alone():
    settings = {"model": {"name": "lstm", "dropout": 0.1}, "training": {"epochs": 2}}

    changed = override(settings, {"model.dropout": 0.5, "training.batch_size": 8}.items())

    assert changed == {"model": {"name": "lstm", "dropout": 0.5}, "training": {"epochs": 2, "batch_size": 8}}
    assert settings == {"model": {"name": "lstm", "dropout": 0.1}, "training": {"epochs": 2}}


def test_the_widest_values_of_what_every_trial_chooses_are_what_the_machine_must_bear(space):
    assert space.widest() == {
        "training.learning_rate": 1e-1,
        "model.hidden_dim": 32,
        "training.schedule": "constant",
    }
