"""`list`: the experiments of a profile, how their runs stand, and what to do about it."""

from __future__ import annotations

import argparse

from tabulate import tabulate

from benchmark.cli.options import SUITE, add_shared_options, chosen_suite, workspace
from benchmark.launch.process import EXIT_DONE
from benchmark.plan.status import run_states
from benchmark.tracking.store import TrackingStore
from models.registry import model_names


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_shared_options(parser, "tuned", *SUITE)


def execute(arguments: argparse.Namespace) -> int:
    """Print one line per run."""
    suite = chosen_suite(arguments, tuned=arguments.tuned)
    place = workspace(arguments)
    store = TrackingStore.existing(place.tracking_uri, place.cache_dir)
    rows = [
        {
            "experiment": run.config.experiment_name,
            "model": run.config.experiment.model.name,
            **({"trained on": run.config.data.train_size} if len(suite.data) > 1 else {}),
            "seed": run.config.seed,
            "state": run.state,
            "MLflow run": run.record.run_id if run.record else "",
            "what to do": run.advice,
        }
        for run in run_states(suite, place, store)
    ]
    print(f"profile {suite.profile}: {suite.description}")
    if arguments.tuned:
        print("with tuned settings where there are any: add --tuned to the commands below")
    print(tabulate(rows, headers="keys", tablefmt="simple", disable_numparse=True))
    print(f"\nregistered models: {', '.join(model_names())}")
    return EXIT_DONE
