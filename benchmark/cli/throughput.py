"""`throughput`: measure each model's speed on this machine, and estimate how long the profile takes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict

from tabulate import tabulate

from benchmark.cli.options import SUITE, add_shared_options, chosen_suite, workspace
from benchmark.config.choice import chosen_experiments
from benchmark.launch.process import EXIT_DONE
from benchmark.output import say, spell_seconds
from benchmark.plan.status import run_states
from benchmark.profiling.estimate import estimate
from benchmark.profiling.measure import measure_speed, record_speed
from benchmark.tracking.speed import Throughput
from benchmark.tracking.store import TrackingStore

# Title of each line, the figure and its format.
FIGURES = {
    "training, reviews/s": ("train_reviews_per_second", ",.1f"),
    "training, tokens/s": ("train_tokens_per_second", ",.0f"),
    "inference, reviews/s": ("inference_reviews_per_second", ",.1f"),
    "inference, tokens/s": ("inference_tokens_per_second", ",.0f"),
    "features, reviews/s": ("features_reviews_per_second", ",.1f"),
    "one review, ms: median": ("latency_p50_ms", ".1f"),
    "one review, ms: 95th percentile": ("latency_p95_ms", ".1f"),
    "training, useful GFLOP/s": ("train_gflops", ",.1f"),
    "matrix products alone, GFLOP/s": ("matmul_gflops", ",.1f"),
    "share of that peak": ("share_of_peak", ".0%"),
    "peak memory, MiB": ("peak_memory_mib", ",.0f"),
    "taken by other programs": ("taken", ".0%"),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("names", nargs="*", metavar="MODEL", help="experiments of the profile (default: all)")
    parser.add_argument("--json", action="store_true", help="print a JSON array with one object per model instead")
    add_shared_options(parser, "tuned", *SUITE)


def execute(arguments: argparse.Namespace) -> int:
    """Measure the models, record the speeds in MLflow, and print them with the time that `run all` takes."""
    suite = chosen_suite(arguments, tuned=arguments.tuned)
    names = chosen_experiments(arguments.names or ["all"], list(suite.experiments))
    place = workspace(arguments)
    store = TrackingStore(place.tracking_uri, place.cache_dir)
    states = run_states(suite, place, store.runs(suite.profile))
    runs = [run for run in states if run.config.experiment_name in names]
    firsts = {run.config.experiment_name: run for run in reversed(runs)}
    speeds: dict[str, Throughput] = {}
    for name in names:
        say(f"measuring {name}. Close other programs for reliable numbers.")
        speeds[name] = measure_speed(firsts[name].config, place.device, say)
        if speeds[name].busy:
            say("  marked as busy: `report` and `run --dry-run` leave it out. Close other programs and measure again.")
        if (planned := firsts[name].planned) is None:
            say(f"  not recorded: {firsts[name].advice}")
        else:
            record_speed(store, planned, speeds[name], place)
    times = dict.fromkeys(names, 0.0)
    seconds = estimate(runs, place, lambda run: speeds[run.experiment_name], fresh=True).seconds
    for run, needed in zip(runs, seconds, strict=True):
        times[run.config.experiment_name] += needed
    if arguments.json:
        rows = [
            {"model": name, **asdict(speed), "estimated_run_all_seconds": times[name]} for name, speed in speeds.items()
        ]
        print(json.dumps(rows, indent=2))
    else:
        print(_table(speeds))
        print(f"\n`run all --profile {suite.profile}`: about {spell_seconds(sum(times.values()))}")
        print("  " + ", ".join(f"{name} {spell_seconds(needed)}" for name, needed in times.items()))
    return EXIT_DONE


def _table(speeds: Mapping[str, Throughput]) -> str:

    rows = []
    for title, (name, form) in FIGURES.items():
        values = [getattr(speed, name) for speed in speeds.values()]
        rows.append([title, *("" if value is None else f"{value:{form}}".replace("%", " %") for value in values)])
    alignment = ["left", *["right"] * len(speeds)]
    return tabulate(rows, ["", *speeds], tablefmt="simple", disable_numparse=True, colalign=alignment)
