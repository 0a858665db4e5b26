"""Which official reviews a command reads, and how it refuses them; nothing is trained."""

import pytest

from benchmark.cli.main import main
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.official import members, write_folder

DATA = {"source": "aclimdb", "path": None, "train_size": "all", "val_size": 12, "test_size": "all"}


@pytest.fixture
def official(write_config, tmp_path, monkeypatch):
    """An experiments.yaml whose only profile trains the RNN on the official reviews, in a directory without a store."""
    monkeypatch.chdir(tmp_path)
    return write_config(profiles={"quick": {"experiments": ["rnn"], "data": DATA}})


@pytest.mark.parametrize("how", ["option", "variable"])
def test_the_reviews_are_named_by_option_or_variable(official, how, tmp_path, monkeypatch, capsys):
    folder = write_folder(tmp_path / "reviews", members())
    monkeypatch.setenv("BENCHMARK_DATA", str(folder if how == "variable" else tmp_path / "nowhere"))
    options = ["--data", str(folder)] if how == "option" else []

    assert main(["list", "--config", str(official), *options]) == 0
    assert "missing" in capsys.readouterr().out


def test_the_option_is_refused_where_the_profile_reads_other_reviews(write_config, tmp_path, capsys):
    assert main(["run", "all", "--config", str(write_config()), "--data", str(tmp_path)]) == 2
    [line] = error_lines(capsys.readouterr().err)
    assert_names(line, "--data", "quick", "table", "aclimdb", "--set data.source=aclimdb")


@pytest.mark.parametrize(
    ("options", "facts"),
    [(["--data", "nowhere"], ["nowhere"]), ([], ["--data PATH", "BENCHMARK_DATA"])],
    ids=["not there", "no network"],
)
def test_reviews_that_cannot_be_read_end_in_one_line(official, tmp_path, monkeypatch, capsys, options, facts):
    monkeypatch.setattr("data_pipeline.sources.OFFICIAL_URL", "http://127.0.0.1:9/aclImdb_v1.tar.gz")

    assert main(["run", "all", "--config", str(official), "--cache-dir", str(tmp_path / "cache"), *options]) == 2
    [line] = error_lines(capsys.readouterr().err)
    assert_names(line, "aclImdb_v1.tar.gz", *facts)


def test_the_list_names_the_command_that_fetches_missing_reviews(official, tmp_path, capsys):
    assert main(["list", "--config", str(official), "--cache-dir", str(tmp_path / "cache")]) == 0
    assert "run rnn" in capsys.readouterr().out
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("setting", "facts"),
    [
        ("data.source=aclimdb", ["path", "table"]),
        ("data.test_size=all", ["table", "test_size"]),
        ("data.split=by_film", ["table", "stratified"]),
        ("data.split=by_movie", ["data.split", "stratified", "by_film", "by_movie"]),
    ],
)
def test_settings_that_do_not_fit_the_source_are_refused(write_config, setting, facts, capsys):
    assert main(["list", "--config", str(write_config()), "--set", setting]) == 2
    [line] = error_lines(capsys.readouterr().err)
    assert_names(line.removeprefix(f"--set {setting}"), *facts)
