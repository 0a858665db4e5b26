"""`reproduce`, called as a user calls it; the run itself is made up, so nothing is trained."""

import re
from dataclasses import replace

import pytest
import yaml

from benchmark.cli.main import main
from benchmark.config.load import load_suite
from benchmark.plan.plan import make_plan
from benchmark.tracking.records import Status
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.recorded import NOWHERE, Made, epoch


@pytest.fixture
def made(write_config):
    """`made("lstm")` is a finished run of that experiment as this machine would do it, not yet recorded."""
    plan = make_plan(load_suite(write_config()), NOWHERE)

    def of(experiment: str = "lstm", **changes) -> Made:
        planned = next(run for run in plan.runs if run.config.experiment_name == experiment)
        labels = {"precision": "fp32", "device": "cpu", "split_fingerprint": plan.record.rows[0].split_fingerprint}
        run = Made(experiment, planned.config.seed, planned.fingerprint, planned.config.settings(), labels)
        return replace(run, **changes)

    return of


@pytest.fixture
def reproduce(store, monkeypatch, capsys):
    """`reproduce(run_id, again)` is the command, in which the run is not done but `again` recorded."""
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def call(run_id: str, again: Made | None, *options: str) -> tuple[int, str, str]:
        def run_again(planned, original, workspace, say):
            assert again is not None, "nothing is to be run"
            call.asked = (planned, original, workspace)
            return replace(again, kind="reproduction").record(store)

        monkeypatch.setattr("benchmark.cli.reproduce.run_again", run_again)
        capsys.readouterr()
        status = main(["reproduce", run_id, *options])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


@pytest.fixture
def refusal(reproduce):
    """The only message of a `reproduce` that is refused and runs nothing."""

    def call(run_id: str) -> str:
        status, out, err = reproduce(run_id, None)
        assert (status, out) == (2, "")
        (message,) = error_lines(err)
        return message

    return call


def test_the_run_is_done_again_as_it_was_recorded(store, made, reproduce):
    original = made().record(store)

    status, out, err = reproduce(original.run_id[:10], made())

    verdict, environment = out.splitlines()
    assert status == 0
    assert_names(verdict, "equal", "2", "3")
    assert_names(environment, "environment", "3")
    assert err.count("\n") == 1
    assert_names(err, "lstm seed 1", original.run_id)
    planned, run, workspace = reproduce.asked
    assert (planned.fingerprint, planned.precision, run.run_id) == (original.fingerprint, "fp32", original.run_id)
    assert planned.config.settings() == made().settings
    assert (workspace.tracking_uri, workspace.device) == (store.uri, "cpu")


FAILED = {"epochs": [], "metrics": {}, "predictions": None, "status": Status.FAILED, "error": "disk full"}


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"epochs": [epoch(1), epoch(2, val_loss=0.5)]}, ["val/loss", "epoch 2", "0.4, 0.5"]),
        (FAILED, ["failed", "disk full"]),
    ],
    ids=["different", "failed"],
)
def test_a_run_that_differs_or_fails_ends_with_1_and_the_verdict_stays_with_the_original(
    store, made, reproduce, changes, facts
):
    original = made().record(store)

    status, out, _ = reproduce(original.run_id, made(**changes, environment={**Made().environment, "threads": "4"}))

    (again,) = store.runs("quick", "reproduction")
    original = store.run(original.run_id)
    assert (status, original.status) == (1, Status.FINISHED)
    verdict, *environment = out.splitlines()
    assert_names(verdict, *facts)
    assert_names(original.tags["benchmark.reproduced"], verdict, again.run_id)
    assert environment[-1].split() == ["threads", "2", "4"]


def test_only_a_finished_run_that_is_there_is_done_again(store, made, refusal):
    original = made(status=Status.KILLED).record(store)

    assert_names(refusal(original.run_id), original.run_id, Status.KILLED, "python -m benchmark run lstm")
    assert_names(refusal("nobody"), "'nobody'")


def test_settings_that_cannot_be_used_are_reported(store, made, refusal, tmp_path):
    settings = made().settings
    for content in (b"a: [", b"\xff\xfe", b"- 1"):
        original = made(files={"config.yaml": content}).record(store)
        assert_names(refusal(original.run_id), "config.yaml", original.run_id)
    old = made(files={"config.yaml": yaml.safe_dump({**settings, "old": 1}).encode()}).record(store)
    gone = made(settings={**settings, "data": {**settings["data"], "path": str(tmp_path / "gone.csv")}}).record(store)

    assert_names(refusal(old.run_id), "old", "unknown key")
    assert_names(refusal(gone.run_id), tmp_path / "gone.csv")


@pytest.mark.parametrize(
    ("experiment", "tags", "facts"),
    [
        (
            "lstm",
            {"corpus_fingerprint": "0" * 64, "split_fingerprint": "1" * 64},
            ["corpus", "0" * 16, "split", "1" * 16],
        ),
        ("lstm", {"precision": "bf16"}, ["precision", "bf16", "fp32"]),
        ("bert-frozen", {"encoder_fingerprint": "0" * 64}, ["encoder", "0" * 16]),
        ("lstm", {}, ["code"]),  # what only the fingerprint knows
        ("bert-frozen", {}, ["code"]),
    ],
)
def test_what_is_not_the_same_here_is_named(store, made, refusal, experiment, tags, facts):
    original = made(experiment, fingerprint="e" * 16, tags=made(experiment).tags | tags).record(store)

    message = refusal(original.run_id)

    assert_names(message, original.run_id, *facts)
    if "split_fingerprint" in tags:
        assert_names(message, made().tags["split_fingerprint"][:16])
    named = re.findall(r"\b(corpus|split|precision|encoder|code)\b", message)
    assert set(named) == {fact for fact in facts if fact.isalpha()}


def test_the_device_is_the_recorded_one_unless_another_is_named(store, made, reproduce, refusal):
    original = made(tags=made().tags | {"device": "cuda (a card)"}).record(store)

    assert_names(refusal(original.run_id), "--device", "cuda")
    assert reproduce(original.run_id, made(), "--device", "cpu")[0] == 0
