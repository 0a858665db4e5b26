"""`reproduce`, called as a user calls it; the run itself is made up, so nothing is trained."""

from dataclasses import replace

import pytest
import yaml

from benchmark.cli import main
from benchmark.config_file import load_suite
from benchmark.plan import make_plan
from benchmark.records import Status
from tests.helpers.recorded import NOWHERE, Made, epoch


@pytest.fixture(scope="session")
def tiny_encoder(encoder_without_weights):
    """No command here loads one."""
    return encoder_without_weights


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

        monkeypatch.setattr("benchmark.launch.run_again", run_again)
        capsys.readouterr()
        status = main(["reproduce", run_id, *options])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


def test_an_equal_run_ends_with_0(store, made, reproduce):
    original = made().record(store)

    status, out, err = reproduce(original.run_id[:10], made())

    assert status == 0
    assert out == "equal: 2 epochs, 3 test predictions, bit for bit\nenvironment: the same in all 3 facts\n"
    assert err == f"lstm seed 1 (MLflow run {original.run_id}) is done again\n"


def test_what_is_done_again_is_what_was_recorded(store, made, reproduce):
    original = made().record(store)

    reproduce(original.run_id, made())

    planned, run, workspace = reproduce.asked
    assert (planned.fingerprint, planned.precision, run.run_id) == (original.fingerprint, "fp32", original.run_id)
    assert planned.config.settings() == made().settings
    assert (workspace.tracking_uri, workspace.device) == (store.uri, "cpu")


def test_a_run_that_differs_ends_with_1_and_the_first_place(store, made, reproduce):
    original = made().record(store)

    status, out, _ = reproduce(
        original.run_id,
        made(epochs=[epoch(1), epoch(2, val_loss=0.5)], environment={**Made().environment, "threads": "4"}),
    )

    assert status == 1
    lines = out.splitlines()
    assert lines[0] == "differs first at val/loss of epoch 2: 0.4, 0.5"
    assert [line.split() for line in lines[2:] if "-" not in line] == [
        ["environment", "then", "now"],
        ["threads", "2", "4"],
    ]


def test_a_run_that_fails_ends_with_1_and_its_error(store, made, reproduce):
    original = made().record(store)
    fallen = made(epochs=[], metrics={}, predictions=None, environment=None, status=Status.FAILED, error="disk full")

    status, out, _ = reproduce(original.run_id, fallen)

    assert (status, out) == (1, "failed: disk full\nenvironment: not recorded\n")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "equal: 2 epochs, 3 test predictions, bit for bit"),
        ({"epochs": [epoch(1)]}, "differs first at number of epochs: 2, 1"),
        ({"status": Status.FAILED, "error": "disk full"}, "failed: disk full"),
    ],
)
def test_the_verdict_stays_with_the_original(store, made, reproduce, changes, words):
    original = made().record(store)

    reproduce(original.run_id, made(**changes))

    (again,) = store.runs("quick", "reproduction")
    assert store.run(original.run_id).tags["benchmark.reproduced"] == f"{words} (MLflow run {again.run_id})"
    assert store.run(original.run_id).status is Status.FINISHED


@pytest.mark.parametrize("status", [Status.FAILED, Status.KILLED])
def test_only_a_finished_run_is_done_again(store, made, reproduce, status):
    original = made(status=status).record(store)

    assert reproduce(original.run_id, None) == (
        2,
        "",
        f"error: run {original.run_id} is {status}: only a finished run can be done again and compared; "
        "`python -m benchmark run lstm` goes on with it\n",
    )


def test_a_run_that_is_not_there_is_wrong_input(store, made, reproduce):
    made().record(store)

    status, out, err = reproduce("nobody", None)

    assert (status, out) == (2, "")
    assert err.startswith("error: no runs have an id that begins with 'nobody'; ")


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe", b"- 1"])
def test_settings_that_cannot_be_read_are_told(store, made, reproduce, content):
    original = made(files={"config.yaml": content}).record(store)

    status, out, err = reproduce(original.run_id, None)

    assert (status, out) == (2, "")
    assert err.startswith(f"error: config.yaml of run {original.run_id} ")
    assert err.count("\n") == 1


def test_settings_of_another_version_are_told(store, made, reproduce):
    original = made(files={"config.yaml": yaml.safe_dump({**made().settings, "old": 1}).encode()}).record(store)

    status, _, err = reproduce(original.run_id, None)

    assert status == 2
    assert err.startswith("error: recorded settings: old: unknown key")


def refusal(run_id: str, what: str) -> tuple[int, str, str]:
    return 2, "", f"error: run {run_id} cannot be done again here: not the same {what}\n"


def test_other_reviews_are_refused(store, made, reproduce, reviews_csv):
    labels = made().tags | {"corpus_fingerprint": "0" * 64, "split_fingerprint": "1" * 64}
    original = made(fingerprint="e" * 16, tags=labels).record(store)
    split = made().tags["split_fingerprint"][:16]

    status, out, err = reproduce(original.run_id, None)

    assert (status, out) == (2, "")
    assert f"not the same corpus ({'0' * 16} recorded, " in err
    assert err.endswith(f", split ({'1' * 16} recorded, {split} here)\n")


def test_another_precision_is_refused(store, made, reproduce):
    original = made(fingerprint="e" * 16, tags=made().tags | {"precision": "bf16"}).record(store)

    assert reproduce(original.run_id, None) == refusal(original.run_id, "precision (bf16 recorded, fp32 here)")


def test_another_encoder_is_refused(store, made, reproduce):
    labels = made("bert-frozen").tags | {"encoder_fingerprint": "0" * 64}
    original = made("bert-frozen", fingerprint="e" * 16, tags=labels).record(store)

    status, out, err = reproduce(original.run_id, None)

    assert (status, out) == (2, "")
    assert f"not the same encoder ({'0' * 16} recorded, " in err


@pytest.mark.parametrize("experiment", ["lstm", "bert-frozen"])
def test_what_only_the_fingerprint_knows_is_our_code(store, made, reproduce, experiment):
    original = made(experiment, fingerprint="e" * 16).record(store)

    assert reproduce(original.run_id, None) == refusal(original.run_id, "version of our code")


def test_reviews_that_are_gone_are_wrong_input(store, made, reproduce, tmp_path):
    settings = made().settings
    gone = {**settings, "data": {**settings["data"], "path": str(tmp_path / "gone.csv")}}
    original = made(settings=gone).record(store)

    status, _, err = reproduce(original.run_id, None)

    assert status == 2
    assert err.startswith(f"error: there is no file {tmp_path / 'gone.csv'}; ")


def test_the_device_is_the_recorded_one_unless_another_is_named(store, made, reproduce):
    original = made(tags=made().tags | {"device": "cuda (a card)"}).record(store)

    status, _, err = reproduce(original.run_id, None)
    assert status == 2
    assert err.startswith("error: --device cuda: torch sees no such device here")

    assert reproduce(original.run_id, made(), "--device", "cpu")[0] == 0
