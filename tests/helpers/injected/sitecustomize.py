"""Faults put into a process from outside: Python imports this at its start where the harness has put it on PYTHONPATH.

It wraps the functions of a phase when their module is imported, and counts what Python calls inside them: at a moment
that was chosen it sends a signal. The product knows nothing of it.

BENCHMARK_FAULTS is a JSON list of faults, each with `phase`, `experiment`, `moment`, `signal`, `target` and `marker`,
a file that is made when it strikes, so that it strikes once. BENCHMARK_MOMENTS is a file to which each process writes
how many moments its phases had.
"""

import atexit
import builtins
import importlib.abc
import importlib.machinery
import json
import os
import signal
import sys
import time
from functools import partial, wraps

TRACKER = "benchmark.tracking.mlflow_tracker:MlflowTracker"
STORE = "benchmark.tracking.store:TrackingStore"
IN_A_RUN = {
    "tokenising": ["data_pipeline.pipeline:build_data"],
    "features": ["data_pipeline.feature_cache:cached_features"],
    "epoch": ["benchmark.training.trainer:Trainer._train_step"],
    "checkpoint": ["benchmark.training.checkpoint:CheckpointFolder.save"],
    "val": ["benchmark.training.trainer:Trainer.predict"],
    "test": ["benchmark.training.trainer:Trainer.predict"],
    "artifacts": [f"{TRACKER}.{name}" for name in ("log_artifacts", "log_metrics", "finish")],
    "model": [f"{TRACKER}.log_model"],
    "challenges": ["benchmark.experiment.challenges:score_run"],
}
BETWEEN = [
    *(f"{STORE}.{name}" for name in ("open_plan", "close_plan")),
    "benchmark.launch.recovery:reconcile",
    *(f"benchmark.launch.run_plan:{name}" for name in ("_run_missing", "_plan_status")),
]
RUN = "benchmark.experiment.run:run_experiment"  # tells which experiment the process is about

faults = json.loads(os.environ.get("BENCHMARK_FAULTS", "[]"))
moments_file = os.environ.get("BENCHMARK_MOMENTS")


class Here:
    """What this process does: the experiment of its run, empty in the process that starts the runs."""

    experiment = ""
    in_phase = False


moments: dict[str, int] = {}  # of each phase, so far


def counted(phase, function):
    """The function, of which each call that Python makes inside it is a moment of the phase."""

    def count(frame, event, argument):
        if event in {"call", "c_call"}:
            moments[phase] = moments.get(phase, 0) + 1
            for fault in faults:
                if [fault["phase"], fault["experiment"], fault["moment"]] == [phase, Here.experiment, moments[phase]]:
                    strike(fault)

    @wraps(function)
    def call(*arguments, **named):
        elsewhere = bool(Here.experiment) == (phase == "between")
        other_part = phase in {"val", "test"} and not arguments[2]._path.name.startswith(phase)
        if Here.in_phase or elsewhere or other_part:
            return function(*arguments, **named)
        Here.in_phase = True
        sys.setprofile(count)
        try:
            return function(*arguments, **named)
        finally:
            sys.setprofile(None)
            Here.in_phase = False

    return call


def uncounted(function):
    """An import, whose thousands of calls are no moments: libraries are imported where they are needed."""

    @wraps(function)
    def call(*arguments, **named):
        if not Here.in_phase:
            return function(*arguments, **named)
        counting = sys.getprofile()
        sys.setprofile(None)
        try:
            return function(*arguments, **named)
        finally:
            sys.setprofile(counting)

    return call


def strike(fault):
    """Send the signal, and wait here for what it brings upon this process."""
    try:
        os.close(os.open(fault["marker"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    number, own, parent = signal.Signals[fault["signal"]], os.getpid(), os.getppid()
    if not Here.experiment:
        os.kill(own, number)
    elif fault["target"] == "group":  # of the parent, as a terminal's Ctrl-C: a run has a group of its own
        os.killpg(os.getpgid(parent), number)
    else:
        for process in {"child": [own], "parent": [parent], "both": [parent, own]}[fault["target"]]:
            os.kill(process, number)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.01)  # a handler raises out of here
    os._exit(99)


def about(function):
    """run_experiment, whose run is noted."""

    @wraps(function)
    def call(planned, *arguments):
        Here.experiment = planned.config.experiment_name
        return function(planned, *arguments)

    return call


def wrappers():
    """By module: what of it is wrapped, and how."""
    found = {}
    for phase, names in {**IN_A_RUN, "between": BETWEEN}.items():
        for name in names:
            module, _, path = name.partition(":")
            found.setdefault(module, []).append((path.split("."), partial(counted, phase)))
    module, _, path = RUN.partition(":")
    found.setdefault(module, []).append(([path], about))
    return found


class Wrapping(importlib.abc.MetaPathFinder):
    """Imports our modules as ever, and wraps what is in them."""

    def __init__(self):
        self._waiting = wrappers()

    def find_spec(self, name, path, target=None):
        wraps_here = self._waiting.pop(name, None)
        spec = importlib.machinery.PathFinder.find_spec(name, path) if wraps_here else None
        if spec is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            for path_to, wrapper in wraps_here:
                holder = module
                for part in path_to[:-1]:
                    holder = getattr(holder, part)
                setattr(holder, path_to[-1], wrapper(getattr(holder, path_to[-1])))

        spec.loader.exec_module = exec_module
        return spec


def write_moments():
    if moments:
        with open(moments_file, "a", encoding="utf-8") as file:  # noqa: PTH123  one write, so that lines stay whole
            file.write(json.dumps({"experiment": Here.experiment, "moments": moments}) + "\n")


if faults or moments_file:
    sys.meta_path.insert(0, Wrapping())
    builtins.__import__ = uncounted(builtins.__import__)
    importlib.import_module = uncounted(importlib.import_module)
if moments_file:
    atexit.register(write_moments)
