"""`import DIR`: what another machine has finished is finished here, and what needs a model says that there is none."""

import json
import shutil

import pytest

from tests.helpers.external import record_models
from tests.helpers.facts import assert_names, error_lines


@pytest.fixture
def imported(store, call, tmp_path, write_config, empty_database, monkeypatch):
    """The plan of two models out of a bundle, in an empty store; what the other store's report said."""
    record_models(store, write_config(profiles={"quick": {"experiments": ["rnn", "lstm"]}}))
    assert call("export", "bundle")[0] == 0
    report = json.loads(call("report", "--format", "json")[1])
    (tmp_path / "here").mkdir()
    database = shutil.copy(empty_database, tmp_path / "here" / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    status, out, err = call("import", "bundle")
    assert (status, out) == (0, "")
    assert_names(err, "rnn seed", "lstm seed", "2 runs")
    return report


def without_ids(report):
    return [{key: value for key, value in row.items() if key != "run_ids"} for row in report["rows"]]


def test_run_skips_list_shows_and_report_counts_them(imported, call):
    status, _, err = call("run", "all")
    assert status == 0
    assert err.count("skipped") == 3
    assert call("list")[1].count("finished") >= 2
    here = json.loads(call("report", "--format", "json")[1])
    assert without_ids(here) == without_ids(imported)
    assert here["plan_fingerprint"] == imported["plan_fingerprint"]
    assert_names(call("import", "bundle")[2], "0 runs")


@pytest.mark.usefixtures("imported")
def test_predict_says_that_an_imported_run_has_no_model(call):
    run_id = json.loads(call("report", "--format", "json")[1])["rows"][0]["run_ids"][0]
    status, out, err = call("predict", "--run", run_id, "a film")

    assert (status, out) == (2, "")
    assert_names(err.splitlines()[-1], run_id, "no model")


@pytest.mark.usefixtures("imported")
def test_run_says_which_sets_a_finished_run_was_not_scored_on(call, write_config):
    write_config(
        profiles={"quick": {"experiments": ["rnn", "lstm"], "challenges": ["short"]}},
        challenges={"short": {"source": "perturbation", "change": "first_words"}},
    )
    skipped = [line for line in call("run", "rnn")[2].splitlines() if "skipped" in line]
    assert_names(skipped[0], "evaluate rnn --on short --profile quick")


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (("absent",), ("absent", "no such file")),
        (("bundle", "--name", "mine"), ("bundle", "--name")),
        (("bundle", "--fresh"), ("bundle", "--fresh")),
        (("bundle", "--on", "typos"), ("bundle", "--on")),
    ],
)
def test_what_cannot_be_meant_is_refused(call, words, facts):
    status, out, err = call("import", *words)

    assert (status, out) == (2, "")
    assert_names(error_lines(err)[0], *facts)
