"""Measure a model's speed in a subprocess, and record it in MLflow."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

from benchmark.config.schema import RunConfig
from benchmark.launch.process import worker_environment
from benchmark.plan.plan import PlannedRun
from benchmark.plan.workspace import Workspace
from benchmark.startup import worker_command
from benchmark.tracking import tags
from benchmark.tracking.records import THROUGHPUT, Status
from benchmark.tracking.speed import Throughput
from benchmark.tracking.store import TrackingStore
from benchmark.training.device import DeviceSetting, resolve_device
from benchmark.training.environment import environment, machine_tags
from data_pipeline.errors import InputError


def measure_speed(run: RunConfig, device: DeviceSetting, say: Callable[[str], None]) -> Throughput:
    """Measure the run's speed on this machine, once more if it was busy, and return the less disturbed measurement.

    Raises:
        InputError: it cannot be measured.
    """
    speed = measure_in_subprocess(run, device)
    if speed.busy:
        say(f"  the machine was busy or slowed down ({100 * speed.taken:.0f} %); measuring once more")
        speed = min(speed, measure_in_subprocess(run, device), key=lambda each: each.taken)
    return speed


def measure_in_subprocess(run: RunConfig, device: DeviceSetting) -> Throughput:
    """Measure the run's speed on this machine; the subprocess's peak memory is then the model's.

    Raises:
        InputError: the subprocess failed; the message ends with its last line.
    """
    done = subprocess.run(  # noqa: S603  one of our modules
        worker_command("benchmark.profiling.throughput"),
        input=json.dumps({"settings": run.settings(), "device": device}) + "\n",
        capture_output=True,
        text=True,
        env=worker_environment(),
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise InputError(f"{run.experiment_name}: cannot be measured: {reason}")
    return Throughput(**json.loads(done.stdout.splitlines()[-1]))


def record_speed(store: TrackingStore, planned: PlannedRun, speed: Throughput, workspace: Workspace) -> None:
    """Record the measurement as an MLflow run in the profile's experiment."""
    config = planned.config
    labels = tags.origin_tags(f"throughput {config.experiment_name} --profile {config.profile}") | tags.run_tags(
        kind=THROUGHPUT,
        parent="",
        experiment=config.experiment_name,
        seed=config.seed,
        fingerprint=planned.fingerprint,
    )
    tracker = store.start_run(config.profile, f"throughput of {config.experiment_name}", labels)
    tracker.set_tags(_machine_tags(workspace, planned.precision))
    tracker.log_params(config.settings())
    tracker.log_metrics(speed.metrics())
    tracker.finish(Status.FINISHED)


def hardware_here(workspace: Workspace) -> str:
    """Return this machine's value of MLflow's tag `hardware`."""
    return _machine_tags(workspace)["hardware"]


def _machine_tags(workspace: Workspace, precision: str = "") -> dict[str, str]:
    return machine_tags(environment(resolve_device(workspace.device).type), precision)
