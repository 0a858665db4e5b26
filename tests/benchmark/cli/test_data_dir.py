"""`--data-dir`: the folder that has the publishers' files of challenge sets."""

import hashlib
from dataclasses import replace

import pytest

from benchmark.plan.workspace import Workspace
from data_pipeline import challenges
from data_pipeline.errors import DataError
from tests.helpers.facts import assert_names, error_lines

CONTENT = "Sentiment\tText\tbatch_id\nNegative\tso dull\t1\nPositive\tso bright\t1\n"


@pytest.fixture
def sets(here, write_config, monkeypatch):
    """A folder that has the file of the set on which the profile is scored."""
    write_config(
        profiles={"quick": {"experiments": ["rnn"], "challenges": ["revised"]}},
        challenges={"revised": {"source": "counterfactual"}},
    )
    published = replace(challenges.COUNTERFACTUAL, sha256=hashlib.sha256(CONTENT.encode()).hexdigest())
    monkeypatch.setattr(challenges, "COUNTERFACTUAL", published)
    folder = here / "sets"
    folder.mkdir()
    (folder / published.name).write_text(CONTENT, encoding="utf-8")
    return folder


def test_without_the_files_the_list_says_that_a_run_fetches_them(call, sets, monkeypatch):
    unknown, known = call("list"), call("list", "--data-dir", "sets")
    monkeypatch.setenv("BENCHMARK_DATA_DIR", str(sets))

    assert [status for status, _, _ in (unknown, known)] == [0, 0]
    assert_names(unknown[1], "unknown", "`run rnn` fetches")
    assert_names(known[1], "missing", "`run rnn` does it")
    assert call("list") == known


def test_a_file_that_is_another_one_is_refused_with_its_path(call, sets):
    (path,) = sets.iterdir()
    path.write_text("<html>", encoding="utf-8")

    status, _, err = call("list", "--data-dir", "sets")

    assert status == 2
    assert_names(error_lines(err)[0], path, challenges.COUNTERFACTUAL.sha256)


def test_a_run_reads_them_there_and_so_does_its_worker(call, sets, monkeypatch):
    found = []

    def stop(suite, workspace, names):
        found.append(workspace)
        raise DataError("enough")

    monkeypatch.setattr("benchmark.api.run.make_plan", stop)

    assert call("run", "rnn", "--data-dir", "sets")[0] == 2
    assert found[0].place.data_dir == sets
    assert Workspace.from_json(found[0].to_json()) == found[0]
