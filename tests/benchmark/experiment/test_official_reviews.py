"""A profile of the official reviews, through `run`: a small copy of the layout stands for the archive."""

import pandas as pd
import pytest
from mlflow import MlflowClient

from benchmark.cli.main import main
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.official import members, write_archive, write_folder
from tests.helpers.shell import Shell, rows

DATA = {"source": "aclimdb", "path": None, "train_size": "all", "val_size": 12, "test_size": "all"}


@pytest.fixture(scope="session")
def tiny_encoder(encoder_without_weights):
    """Only the RNN is trained here."""
    return encoder_without_weights


@pytest.fixture
def official(write_config):
    """An experiments.yaml whose only profile trains the RNN on the official reviews."""
    return write_config(profiles={"quick": {"experiments": ["rnn"], "data": DATA}})


def test_a_run_reads_the_archive_and_keeps_stars_films_and_what_train_has_too(official, tmp_path, store_uri):
    files = members()
    files |= {"test/pos/0_7.txt": files["train/pos/1_8.txt"]}
    archive = write_archive(tmp_path / "aclImdb_v1.tar.gz", files)
    shell = Shell(tmp_path)
    done = shell.call("run", "all", "--data", str(archive), "--set", "data.split=by_film")
    (run,) = shell.recorded("quick")

    assert done.status == 0, done.err
    assert_names(done.err, "quick", "48 + 48", "36 train", "12 val", "48 test", "18 + 18", "6 + 6", "24 + 24")
    assert rows(done.out)["rnn"][0] == "1 of 1"
    assert run.data.params["data.train_size"] == "36"
    table = pd.read_parquet(MlflowClient(store_uri).download_artifacts(run.info.run_id, "predictions.parquet"))
    assert len(table) == 48
    assert set(table["stars"]) == {1, 2, 3, 4, 7, 8, 9, 10}
    assert table["film"].str.startswith("tt1").all()

    again = shell.call("reproduce", run.info.run_id, "--data", str(write_folder(tmp_path / "folder", files)))
    assert again.status == 0, again.err


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


def test_the_list_of_a_profile_whose_reviews_are_not_here_names_the_command_that_fetches_them(
    official, tmp_path, capsys
):
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
