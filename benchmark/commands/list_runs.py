"""`list`: the experiments of a profile, how their runs stand, and what to do about it."""

from __future__ import annotations

import argparse

from benchmark.commands.options import EXIT_DONE, Commands, add_command, add_suite_options, cache_dir, chosen_suite


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    add_suite_options(
        add_command(commands, "list", list_runs, "show the experiments of a profile and how their runs stand")
    )


def list_runs(arguments: argparse.Namespace) -> int:
    """Print one line a run."""
    from tabulate import tabulate

    from benchmark.plan import Workspace, make_plan
    from benchmark.records import best_run
    from benchmark.standing import standing
    from benchmark.tracking.client import tracking_uri
    from benchmark.tracking.store import TrackingStore
    from models.registry import model_names

    suite = chosen_suite(arguments)
    plan = make_plan(suite, arguments.device)
    workspace = Workspace(tracking_uri(arguments.tracking_uri), cache_dir(arguments), arguments.device)
    store = TrackingStore.existing(workspace.tracking_uri, workspace.cache_dir)
    runs = store.runs(suite.profile) if store else []
    rows = []
    for planned in plan.runs:
        run = best_run(runs, planned.fingerprint, planned.config.seed)
        state, advice = standing(run, planned, workspace)
        rows.append(
            [
                planned.config.experiment_name,
                planned.config.experiment.model.name,
                planned.config.seed,
                state,
                run.run_id if run else "",
                advice,
            ]
        )
    print(f"profile {suite.profile}: {suite.description}")
    headers = ["experiment", "model", "seed", "state", "MLflow run", "what to do"]
    print(tabulate(rows, headers, tablefmt="simple", disable_numparse=True))
    print(f"\nregistered models: {', '.join(model_names())}")
    return EXIT_DONE
