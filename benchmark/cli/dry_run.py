"""`run --dry-run`: the plan, how its runs stand, and what they need, without doing any."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.options import say, workspace
from benchmark.launch.process import EXIT_DONE

if TYPE_CHECKING:
    from benchmark.config.schema import RunConfig, Suite
    from benchmark.tracking.records import Throughput


def print_outlook(arguments: argparse.Namespace, suite: Suite, names: Sequence[str]) -> int:
    """Print it for the experiments of these names; each model is tried for some seconds."""
    from tabulate import tabulate

    from benchmark.output import spell_seconds
    from benchmark.plan.status import standings
    from benchmark.profiling.estimate import need
    from benchmark.profiling.measure import hardware_here, measured_apart
    from benchmark.tracking.client import without_secrets
    from benchmark.tracking.store import TrackingStore

    def measured(run: RunConfig) -> Throughput:
        if run.experiment_name in known:
            return known[run.experiment_name]
        say(f"measuring {run.experiment_name} on embedded reviews")
        return measured_apart(run, place.device)

    place = workspace(arguments)
    wanted = replace(suite, experiments={name: suite.experiments[name] for name in names})
    store = TrackingStore.existing(place.tracking_uri, place.cache_dir)
    runs = standings(wanted, place, store)
    speeds = store.speeds(suite.profile, hardware_here(place)) if store else {}
    known = {
        run.config.experiment_name: speeds[run.planned.fingerprint]
        for run in runs
        if run.planned and run.planned.fingerprint in speeds
    }
    needed = need(runs, place, measured, again=arguments.fresh)
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
    print(f"profile {suite.profile}: {suite.description}")
    print(tabulate(rows, headers="keys", tablefmt="simple", disable_numparse=True))
    print(f"\ntime: about {spell_seconds(sum(needed.seconds))} on this machine if all epochs are trained")
    for name in needed.assumed:
        print(f"  the encoder of {name} is not here; a network of BERT base's shape was measured in its place")
    print(f"disk: {_spell_bytes(needed.cache_bytes)} in the cache, {_free(place.cache_dir)} free there")
    uri = without_secrets(place.tracking_uri, place.tracking_uri)
    print(f"      {_spell_bytes(needed.record_bytes)} in the tracking store {uri}")
    return EXIT_DONE


def _spell_bytes(count: float) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def _free(folder: Path) -> str:
    """Room on the disk that the folder is on or would be on."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return _spell_bytes(shutil.disk_usage(there).free)
