"""`run --dry-run`: print the plan, the state of its runs, and the time and disk they need."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import replace

from tabulate import tabulate

from benchmark.cli.options import workspace
from benchmark.config.schema import RunConfig, Suite
from benchmark.launch.process import EXIT_DONE
from benchmark.output import say, spell_bytes, spell_seconds
from benchmark.plan.status import run_states
from benchmark.profiling.estimate import estimate
from benchmark.profiling.measure import hardware_here, measure_speed
from benchmark.tracking.address import without_secrets
from benchmark.tracking.speed import Throughput
from benchmark.tracking.store import TrackingStore


def print_dry_run(arguments: argparse.Namespace, suite: Suite, names: Sequence[str]) -> int:
    """Print the plan of these experiments; a model that is not measured yet runs for a few seconds."""

    def speed_of(run: RunConfig) -> Throughput:
        if run.experiment_name in known:
            return known[run.experiment_name]
        say(f"measuring {run.experiment_name} on embedded reviews")
        return measure_speed(run, place.device, say)

    place = workspace(arguments)
    suite = replace(suite, experiments={name: suite.experiments[name] for name in names})
    store = TrackingStore.existing(place.tracking_uri, place.cache_dir)
    runs = run_states(suite, place, store.runs(suite.profile) if store else [])
    speeds = store.speeds(suite.profile, hardware_here(place)) if store else {}
    known = {
        run.config.experiment_name: speeds[run.planned.fingerprint]
        for run in runs
        if run.planned and run.planned.fingerprint in speeds
    }
    needed = estimate(runs, place, speed_of, fresh=arguments.fresh)
    rows = [
        {
            "experiment": run.config.experiment_name,
            **({"trained on": run.config.data.train_size} if len(suite.data) > 1 else {}),
            "seed": run.config.seed,
            "epochs, at most": run.config.experiment.training.epochs,
            "state": run.state,
            "time, about": spell_seconds(seconds) if seconds else "",
        }
        for run, seconds in zip(runs, needed.seconds, strict=True)
    ]
    print(suite.title)
    print(tabulate(rows, headers="keys", tablefmt="simple", disable_numparse=True))
    print(f"\ntime: about {spell_seconds(sum(needed.seconds))} on this machine if all epochs are trained")
    for name in needed.assumed:
        print(f"  {name}: its encoder is not here; a network of BERT base's shape was measured instead")
    for name in needed.busy:
        print(f"  {name}: measured while other programs took much of the machine; a quiet one is faster")
    disk = next(path for path in (place.cache_dir.absolute(), *place.cache_dir.absolute().parents) if path.exists())
    print(
        f"disk: {spell_bytes(needed.cache_bytes)} in the cache, {spell_bytes(shutil.disk_usage(disk).free)} free there"
    )
    uri = without_secrets(place.tracking_uri, place.tracking_uri)
    print(f"      {spell_bytes(needed.record_bytes)} in the tracking store {uri}")
    return EXIT_DONE
