"""Challenge sets: declared in the file, chosen by a profile or `--set challenges=...`."""

import pytest

from benchmark.config.errors import ConfigError
from benchmark.config.load import challenge_entries, load_suite, locate_config, parse_assignments
from benchmark.config.schema import run_from_settings
from tests.helpers.facts import assert_names

SETS = {
    "sentences": {"source": "rotten-tomatoes"},
    "shifted": {"source": "table", "path": "shifted.csv", "columns": {"group": "pair"}},
    "typos": {"source": "perturbation", "change": "typos"},
}


@pytest.fixture
def with_sets(write_config):
    return write_config(profiles={"quick": {"challenges": ["shifted", "typos"]}}, challenges=SETS)


def test_a_profile_names_those_that_its_runs_are_scored_on(with_sets, tmp_path):
    suite = load_suite(with_sets)

    assert list(suite.challenges) == ["shifted", "typos"]
    assert suite.challenges["shifted"].path == tmp_path / "shifted.csv"  # from the file's folder
    assert list(challenge_entries(with_sets)) == list(SETS)
    for run in suite.runs():
        assert run.challenges == run_from_settings(run.settings()).challenges == suite.challenges


def test_by_default_there_are_none(write_config):
    assert load_suite(write_config(challenges=SETS)).challenges == challenge_entries(write_config()) == {}


@pytest.mark.parametrize(
    ("value", "names", "plan"),
    [
        ("[]", [], "challenges=none"),
        ("sentences", ["sentences"], "challenges=sentences"),
        ("typos,sentences", ["typos", "sentences"], "challenges=typos sentences"),
        ("[typos, sentences]", ["typos", "sentences"], "challenges=typos sentences"),
    ],
)
def test_an_option_replaces_the_profile_s_and_names_the_plan_but_no_run(with_sets, value, names, plan):
    suite = load_suite(with_sets, settings=parse_assignments([f"challenges={value}"]))

    assert (list(suite.challenges), suite.name, suite.runs()[0].name) == (names, plan, "rnn seed 1")


@pytest.mark.parametrize(
    ("value", "facts"),
    [
        ("[typo]", ["challenges[0]", "typo", "did you mean 'typos'"]),
        ("[typos, typos]", ["duplicate", "typos"]),
        ("null", ["challenges"]),
    ],
)
def test_a_bad_option_is_named(with_sets, value, facts):
    with pytest.raises(ConfigError) as refused:
        load_suite(with_sets, settings=parse_assignments([f"challenges={value}"]))

    [line] = refused.value.lines
    assert_names(line, "--set challenges=", *facts)


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"profiles": {"quick": {"challenges": ["typo"]}}}, ["profiles.quick.challenges[0]", "did you mean 'typos'"]),
        ({"profiles": {"quick": {"challenges": "typos,typos"}}}, ["profiles.quick.challenges", "typos,typos"]),
        ({"challenges": {"Typos": SETS["typos"]}}, ["challenges", "Typos"]),
        ({"challenges": {"typos": {"change": "typoes"}}}, ["challenges.typos.change", "typoes"]),
        ({"challenges": {"shifted": {"path": None}}}, ["challenges.shifted", "path"]),
        ({"challenges": {"shifted": {"colums": {}}}}, ["challenges.shifted.colums", "columns"]),
        ({"experiments": {"challenges": {"model": {"name": "rnn"}}}}, ["experiments", "challenges"]),
    ],
)
def test_a_bad_entry_is_named_with_its_place(write_config, config_content, changes, facts):
    config_content["challenges"] = SETS
    with pytest.raises(ConfigError) as refused:
        load_suite(write_config(**changes))

    [line] = refused.value.lines
    assert_names(line, *facts)


def test_the_repository_s_own_profiles_score_the_published_sets():
    path = locate_config(None)
    chosen = {profile: list(load_suite(path, profile).challenges) for profile in ("quick", "full", "paper")}

    assert chosen["quick"] == ["rotten-tomatoes"]
    assert chosen["full"][:3] == ["rotten-tomatoes", "counterfactual", "contrast"]
    assert chosen["paper"] == []
    assert all(entry.source == name for name, entry in challenge_entries(path).items() if name in chosen["full"][:3])
