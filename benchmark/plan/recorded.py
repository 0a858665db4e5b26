"""Plan a recorded run again on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

import yaml

from benchmark.config.schema import RunConfig, Suite, run_from_settings
from benchmark.plan.encoder import resolve_run_encoder
from benchmark.plan.plan import Plan, PlannedRun, make_plan
from benchmark.plan.workspace import Workspace
from benchmark.tracking.records import CONFIG_FILE, RunRecord, Status
from benchmark.tracking.store import TrackingStore
from benchmark.training.device import DeviceSetting
from data_pipeline.errors import InputError
from data_pipeline.load import load_corpus

DEVICES: tuple[DeviceSetting, ...] = ("cpu", "cuda", "mps")


class ReproductionError(InputError):
    """A run that cannot be reproduced here; the message says why."""


def plan_of_recorded_run(store: TrackingStore, original: RunRecord, workspace: Workspace) -> PlannedRun:
    """Return the run planned again, with the same fingerprint.

    Raises:
        ReproductionError: it is not finished, nothing was trained, its settings are not recorded, or reviews, encoder,
            precision or code are not those of the original.
        ConfigError: its settings are not valid in this version.
        DataError: the reviews or an encoder cannot be read.
        DeviceError: this machine does not have what the run needs.
    """
    if original.status is not Status.FINISHED:
        raise ReproductionError(
            f"run {original.run_id} is {original.status.value}: only a finished run can be reproduced. "
            f"`python -m benchmark run {original.experiment}` finishes it"
        )
    if original.external:
        raise ReproductionError(f"run {original.run_id} ({original.name}): only predictions were imported, nothing ran")
    run = recorded_config(store, original)
    name, data = run.experiment_name, (run.data,)
    suite = Suite(
        run.profile,
        "",
        {name: (run.seed,)},
        data,
        experiments={name: run.experiment},
        plugin=run.plugin,
        challenges=run.challenges,
    )
    plan = make_plan(suite, workspace)
    if plan.runs[0].fingerprint != original.fingerprint:
        raise ReproductionError(
            f"run {original.run_id} cannot be reproduced here: not the same {_differences(plan, original, workspace)}"
        )
    return plan.runs[0]


def recorded_config(store: TrackingStore, original: RunRecord) -> RunConfig:
    """Return the settings that were logged with the run.

    Raises:
        ReproductionError: they cannot be read.
        ConfigError: they are not valid in this version.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = store.artifact(original.run_id, CONFIG_FILE, Path(folder))
        try:
            settings = yaml.safe_load(path.read_text(encoding="utf-8"))
            if not isinstance(settings, dict):
                raise ValueError("not a mapping")
        except (OSError, ValueError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise ReproductionError(f"{CONFIG_FILE} of run {original.run_id} cannot be read ({reason})") from None
    return run_from_settings(settings)


def recorded_device(original: RunRecord) -> DeviceSetting:
    """Return the device that computed the run; `auto` where it is not recorded."""
    kind = original.tags.get("device", "").partition(" ")[0]  # CUDA's is followed by the card's name
    return next((device for device in DEVICES if device == kind), "auto")


def _differences(plan: Plan, original: RunRecord, workspace: Workspace) -> str:
    """Name the inputs that are not those of the original; code and plugin are known to the fingerprint alone."""
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
    return ", ".join(found) or f"{'plugin or ' if planned.config.plugin else ''}version of our code"
