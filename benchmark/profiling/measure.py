"""Measured speeds: taken in a process of their own, kept in MLflow, read back for the report and for estimates."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmark.config.schema import RunConfig
from benchmark.launch.process import worker_environment
from benchmark.plan.plan import PlannedRun
from benchmark.plan.workspace import Workspace
from benchmark.tracking import tags
from benchmark.tracking.records import THROUGHPUT, Status, Throughput
from benchmark.tracking.store import TrackingStore
from benchmark.training.device import DeviceSetting, resolve_device
from benchmark.training.environment import environment, machine_tags
from data_pipeline.errors import InputError


class MeasurementError(InputError):
    """The process that measured a model ended without a result."""


def measured_apart(run: RunConfig, device: DeviceSetting) -> Throughput:
    """The run's speed here, by a process of its own, whose peak memory is then the model's.

    Raises:
        MeasurementError: it failed; its last line says why.
    """
    request = json.dumps({"settings": run.settings(), "device": device})
    done = subprocess.run(
        [sys.executable, "-m", "benchmark.profiling.throughput"],
        input=request + "\n",
        capture_output=True,
        text=True,
        env=worker_environment(),
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise MeasurementError(f"{run.experiment_name} could not be measured: {reason}")
    return Throughput(**json.loads(done.stdout.splitlines()[-1]))


def record_speed(store: TrackingStore, planned: PlannedRun, speed: Throughput, workspace: Workspace) -> str:
    """Write it down as a run of its own in the profile's experiment; the MLflow run's id."""
    config = planned.config
    labels = tags.origin_tags(f"throughput {config.experiment_name} --profile {config.profile}") | tags.run_tags(
        kind=THROUGHPUT,
        parent="",
        experiment=config.experiment_name,
        seed=config.seed,
        fingerprint=planned.fingerprint,
    )
    machine = environment(resolve_device(workspace.device).type)
    tracker = store.start_run(config.profile, f"throughput of {config.experiment_name}", labels)
    tracker.set_tags(machine_tags(machine, planned.precision))
    tracker.log_params(config.settings())
    tracker.log_metrics(speed.metrics())
    tracker.finish(Status.FINISHED)
    return tracker.run_id


def hardware_here(workspace: Workspace) -> str:
    """This machine as MLflow's tag `hardware` names it."""
    return machine_tags(environment(resolve_device(workspace.device).type), "")["hardware"]
