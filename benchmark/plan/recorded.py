"""The plan of one recorded run, made again on this machine from what was recorded."""

from __future__ import annotations

import tempfile
from pathlib import Path

import yaml

from benchmark.config.schema import RunConfig, Suite, run_from_settings
from benchmark.plan.plan import Plan, PlannedRun, make_plan, resolve_run_encoder
from benchmark.plan.workspace import Workspace
from benchmark.tracking.records import CONFIG_FILE, RunRecord, Status
from benchmark.tracking.store import TrackingStore
from benchmark.training.device import DeviceSetting
from data_pipeline.errors import InputError
from data_pipeline.sources import load_corpus

DEVICES: tuple[DeviceSetting, ...] = ("cpu", "cuda", "mps")


class ReproductionError(InputError):
    """A run that cannot be done again here; the message says why."""


def plan_of_recorded_run(store: TrackingStore, original: RunRecord, workspace: Workspace) -> PlannedRun:
    """The run as it is to be done again.

    Args:
        store: where the original is recorded.
        original: the run.
        workspace: where the reviews are, and what computes.

    Raises:
        ReproductionError: it is not finished, its settings are not recorded, or reviews, encoder, precision or code
            are not those of the original.
        ConfigError: its settings are not valid in this version.
        DataError: the reviews or an encoder cannot be read.
        DeviceError: this machine does not have what the run needs.
    """
    if original.status is not Status.FINISHED:
        raise ReproductionError(
            f"run {original.run_id} is {original.status.value}: only a finished run can be done again and compared; "
            f"`python -m benchmark run {original.experiment}` goes on with it"
        )
    run = recorded_config(store, original)
    suite = Suite(
        profile=run.profile,
        description="",
        seeds=(run.seed,),
        data=(run.data,),
        experiments={run.experiment_name: run.experiment},
        published=(),
        plugin=run.plugin,
    )
    plan = make_plan(suite, workspace)
    planned = plan.runs[0]
    if planned.fingerprint != original.fingerprint:
        raise ReproductionError(
            f"run {original.run_id} cannot be done again here: not the same {_what_differs(plan, original, workspace)}"
        )
    return planned


def recorded_config(store: TrackingStore, original: RunRecord) -> RunConfig:
    """The settings that were logged with the run.

    Raises:
        ReproductionError: they cannot be read.
        ConfigError: they are not valid in this version.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = store.artifact(original.run_id, CONFIG_FILE, Path(folder))
        try:
            settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise ReproductionError(f"{CONFIG_FILE} of run {original.run_id} cannot be read ({reason})") from None
    if not isinstance(settings, dict):
        raise ReproductionError(f"{CONFIG_FILE} of run {original.run_id} holds no settings")
    return run_from_settings(settings)


def recorded_device(original: RunRecord) -> DeviceSetting:
    """What computed the run; `auto` where that is not recorded."""
    kind = original.tags.get("device", "").partition(" ")[0]  # CUDA's goes on with the card's name
    return next((device for device in DEVICES if device == kind), "auto")


def _what_differs(plan: Plan, original: RunRecord, workspace: Workspace) -> str:
    """Which of the inputs are not those of the original; only what the fingerprint alone knows must be guessed."""
    planned, encoder = plan.runs[0], resolve_run_encoder(plan.runs[0].config)
    here = {
        "corpus_fingerprint": load_corpus(planned.config.data, workspace.place).fingerprint,
        "split_fingerprint": plan.record.rows[0].split_fingerprint,
        "encoder_fingerprint": encoder.fingerprint if encoder else "none",
        "precision": planned.precision,
    }
    found = [
        f"{tag.removesuffix('_fingerprint')} ({original.tags[tag][:16]} recorded, {value[:16]} here)"
        for tag, value in here.items()
        if original.tags.get(tag, value) != value
    ]
    if found:
        return ", ".join(found)
    return "plugin or version of our code" if planned.config.plugin else "version of our code"
