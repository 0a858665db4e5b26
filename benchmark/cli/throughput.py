"""`throughput`: how fast each model is on this machine, and how long the profile takes with that."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from benchmark.cli.options import (
    Commands,
    add_command,
    add_suite_options,
    add_tuned_option,
    chosen_names,
    chosen_suite,
    say,
    workspace,
)
from benchmark.launch.process import EXIT_DONE

if TYPE_CHECKING:
    from benchmark.tracking.records import Throughput


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = add_command(commands, "throughput", throughput, "measure how fast each model trains and answers here")
    parser.add_argument("names", nargs="*", metavar="MODEL", help="experiments of the profile (default: all)")
    parser.add_argument("--json", action="store_true", help="print a JSON array with one object a model instead")
    add_tuned_option(parser)
    add_suite_options(parser, seeds="of several the first is measured (default: the profile's)", downloads=False)


def throughput(arguments: argparse.Namespace) -> int:
    """Measure, write it down in MLflow, print it and what `run all` would take."""
    from benchmark.output import spell_seconds
    from benchmark.plan.status import standings
    from benchmark.profiling.estimate import need
    from benchmark.profiling.measure import measured_apart, record_speed
    from benchmark.tracking.store import TrackingStore

    suite = chosen_suite(arguments, tuned=arguments.tuned)
    names = chosen_names(arguments.names or ["all"], list(suite.experiments))
    place = workspace(arguments)
    store = TrackingStore(place.tracking_uri, place.cache_dir)
    runs = standings(suite, place, store)
    firsts = {run.config.experiment_name: run for run in reversed(runs)}
    speeds = {}
    for name in names:
        say(f"measuring {name}; other work on this machine would falsify it")
        speeds[name] = measured_apart(firsts[name].config, place.device)
        planned = firsts[name].planned
        if planned is None:
            say(f"  not recorded: {firsts[name].advice}")
        else:
            record_speed(store, planned, speeds[name], place)
    measured = [run for run in runs if run.config.experiment_name in speeds]
    seconds = need(measured, place, lambda run: speeds[run.experiment_name], again=True).seconds
    by_name = {
        name: sum(part for run, part in zip(measured, seconds, strict=True) if run.config.experiment_name == name)
        for name in names
    }
    if arguments.json:
        estimates = {name: {"estimated_run_all_seconds": by_name[name]} for name in names}
        rows = [{"model": name, **asdict(speed), **estimates[name]} for name, speed in speeds.items()]
        print(json.dumps(rows, indent=2))
    else:
        print(_table(speeds))
        print(f"\n`run all --profile {suite.profile}`: about {spell_seconds(sum(by_name.values()))}")
        print("  " + ", ".join(f"{name} {spell_seconds(part)}" for name, part in by_name.items()))
    return EXIT_DONE


def _table(speeds: Mapping[str, Throughput]) -> str:
    """A column a model, a line a figure."""
    from tabulate import tabulate

    lines: dict[str, Callable[[Throughput], str]] = {
        "training, reviews/s": lambda speed: f"{speed.train_reviews_per_second:,.1f}",
        "training, tokens/s": lambda speed: f"{speed.train_tokens_per_second:,.0f}",
        "inference, reviews/s": lambda speed: f"{speed.inference_reviews_per_second:,.1f}",
        "inference, tokens/s": lambda speed: f"{speed.inference_tokens_per_second:,.0f}",
        "features, reviews/s": lambda speed: _or_blank(speed.features_reviews_per_second),
        "one review, ms: median": lambda speed: f"{speed.latency_p50_ms:.1f}",
        "one review, ms: 95 % below": lambda speed: f"{speed.latency_p95_ms:.1f}",
        "training, useful GFLOP/s": lambda speed: _or_blank(speed.train_gflops),
        "matrix products alone, GFLOP/s": lambda speed: _or_blank(speed.matmul_gflops),
        "share of that peak": lambda speed: _or_blank(speed.share_of_peak and 100 * speed.share_of_peak, "{:.0f} %"),
        "peak memory, MiB": lambda speed: f"{speed.peak_memory_mib:,.0f}",
    }
    rows = [[title, *(spell(speed) for speed in speeds.values())] for title, spell in lines.items()]
    alignment = ["left", *["right"] * len(speeds)]
    return tabulate(rows, ["", *speeds], tablefmt="simple", disable_numparse=True, colalign=alignment)


def _or_blank(figure: float | None, form: str = "{:,.1f}") -> str:
    return "" if figure is None else form.format(figure)
