"""The `search` section of experiments.yaml: what a space may say, and in which words the rest is refused."""

import pytest

from benchmark.config_file import load_suite
from benchmark.search_reader import check_own
from benchmark.search_space import KINDS, SearchSpace, laid_over
from benchmark.validation import ConfigError

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


def fault(write_config, key, parameter) -> str:
    (line,) = faults(write_config, {key: parameter})
    assert line.startswith(f"search.lstm.{key}")
    return line.removeprefix(f"search.lstm.{key}")


def test_a_suite_has_the_spaces_of_its_experiments(write_config):
    path = write_config(search={"lstm": SPACE, "rnn": {"model.hidden_dim": WIDTH}})

    assert list(load_suite(path).search) == ["rnn", "lstm"]
    assert list(load_suite(path).search["lstm"].parameters) == list(SPACE)


def test_a_file_needs_no_search(write_config):
    assert load_suite(write_config()).search == {}


def test_it_survives_json(space):
    assert SearchSpace.from_json(space.to_json()) == space


class TestWords:
    def test_an_experiment_that_is_not_there(self, write_config):
        (line,) = faults(write_config, SPACE, experiment="lsmt")

        assert line == "search: there is no experiment 'lsmt'; did you mean 'lstm'?"

    def test_no_parameter(self, write_config):
        assert faults(write_config, {}) == ["search.lstm: should not be empty"]

    def test_a_setting_that_is_not_there(self, write_config):
        assert fault(write_config, "training.learning_rat", RATE).endswith("did you mean 'training.learning_rate'?")

    @pytest.mark.parametrize("key", ["model.name", "data.train_size", "lstm", "training"])
    def test_what_is_no_setting_of_the_experiment(self, write_config, key):
        assert ": is no setting that can be searched" in fault(write_config, key, SCHEDULE)

    def test_an_encoder_is_not_searched(self, write_config):
        space = {"model.encoder.path": {"type": "categorical", "choices": ["a", "b"]}}

        assert "is no setting that can be searched" in faults(write_config, space, "bert-frozen")[0]

    def test_no_type(self, write_config):
        assert fault(write_config, "training.learning_rate", {"low": 1}) == (
            ": wants a type; known: float, int, categorical"
        )

    def test_an_unknown_type(self, write_config):
        parameter = {"type": "flot", "low": 0.1, "high": 0.2}

        assert fault(write_config, "training.learning_rate", parameter) == (
            ": wants a type, not 'flot'; did you mean 'float'?"
        )

    @pytest.mark.parametrize("parameter", [None, 3, "float", [1, 2]])
    def test_no_mapping(self, write_config, parameter):
        assert "wants a type" in fault(write_config, "training.learning_rate", parameter)

    def test_an_unknown_key(self, write_config):
        assert fault(write_config, "training.learning_rate", {**RATE, "hihg": 1.0}) == (
            ".hihg: unknown key; did you mean 'high'?"
        )

    def test_an_empty_range(self, write_config):
        assert "`low` should be below `high`" in fault(write_config, "training.learning_rate", {**RATE, "high": 1e-3})

    def test_zero_on_a_logarithmic_scale(self, write_config):
        assert "`log: true` needs `low` above 0" in fault(write_config, "training.learning_rate", {**RATE, "low": 0.0})

    def test_a_step_that_misses_the_end(self, write_config):
        assert "steps of 8 above `low`" in fault(write_config, "model.hidden_dim", {**WIDTH, "high": 30})

    def test_one_choice(self, write_config):
        assert "choices" in fault(write_config, "training.schedule", {**SCHEDULE, "choices": ["linear"]})

    def test_a_choice_twice(self, write_config):
        parameter = {**SCHEDULE, "choices": ["linear", "linear"]}

        assert "a choice stands here twice" in fault(write_config, "training.schedule", parameter)

    def test_a_choice_that_the_setting_does_not_take(self, write_config):
        parameter = {**SCHEDULE, "choices": ["linear", "cosin"]}

        assert fault(write_config, "training.schedule", parameter).startswith(": 'cosin': should be 'constant'")

    def test_a_range_that_the_setting_does_not_take(self, write_config):
        assert fault(write_config, "training.learning_rate", {**RATE, "high": 20.0}).startswith(
            ": 20.0: should be less"
        )

    @pytest.mark.parametrize("other", ["training.learning_rate", "training.batch_size"])
    def test_a_condition_on_what_has_no_choices(self, write_config, other):
        space = {"training.learning_rate": RATE, "training.warmup_fraction": {**WARMUP, "when": {other: [1]}}}

        assert "which is no parameter with choices that stands above" in faults(write_config, space)[0]

    def test_a_condition_that_stands_below(self, write_config):
        space = {"training.warmup_fraction": WARMUP, "training.schedule": SCHEDULE}

        assert "which is no parameter with choices that stands above" in faults(write_config, space)[0]

    def test_a_condition_on_no_choice(self, write_config):
        space = {
            "training.schedule": SCHEDULE,
            "training.warmup_fraction": {**WARMUP, "when": {"training.schedule": [3]}},
        }

        assert "which has the choices constant, linear" in faults(write_config, space)[0]

    def test_all_faults_are_told_at_once(self, write_config):
        space = {"training.learning_rate": {**RATE, "low": 2.0}, "model.hidden_dim": {**WIDTH, "step": 0}}

        assert len(faults(write_config, space)) == 2


class TestOwnSettings:
    """A search begins with the experiment's own settings."""

    def test_they_have_a_value_of_each_parameter(self, space, write_config):
        settings = load_suite(write_config()).experiments["lstm"].model_dump(mode="json")

        assert space.own(settings) == {
            "training.learning_rate": 1e-2,
            "model.hidden_dim": 16,
            "training.schedule": "linear",
            "training.warmup_fraction": 0.1,
        }

    def test_but_of_those_whose_condition_is_not_met(self, space, write_config):
        suite = load_suite(write_config(), assignments=["lstm.training.schedule=constant"])

        assert "training.warmup_fraction" not in space.own(suite.experiments["lstm"].model_dump(mode="json"))

    @pytest.mark.parametrize(
        ("assignment", "words"),
        [
            ("lstm.training.learning_rate=0.5", "own 0.5 is none of its values (0.001 to 0.1, log)"),
            ("lstm.model.hidden_dim=12", "own 12 is none of its values (8 to 32, steps of 8)"),
            ("lstm.training.schedule=cosine", "own cosine is none of its values (constant, linear)"),
        ],
    )
    def test_those_that_no_trial_could_have_are_refused(self, space, write_config, assignment, words):
        suite = load_suite(write_config(), assignments=[assignment])

        with pytest.raises(ConfigError, match="a search begins there") as caught:
            check_own(space, suite.experiments["lstm"], "search.lstm")
        assert words in str(caught.value)


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


def test_values_are_laid_over_settings_and_change_nothing_else():
    settings = {"model": {"name": "lstm", "dropout": 0.1}, "training": {"epochs": 2}}

    changed = laid_over(settings, {"model.dropout": 0.5, "training.batch_size": 8})

    assert changed == {"model": {"name": "lstm", "dropout": 0.5}, "training": {"epochs": 2, "batch_size": 8}}
    assert settings == {"model": {"name": "lstm", "dropout": 0.1}, "training": {"epochs": 2}}


def test_the_widest_values_of_what_every_trial_chooses_are_what_the_machine_must_bear(space):
    assert space.widest() == {
        "training.learning_rate": 1e-1,
        "model.hidden_dim": 32,
        "training.schedule": "constant",
    }
