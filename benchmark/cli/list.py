"""`list`: the experiments of a profile, how their runs stand, and what to do about it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import datetime
from textwrap import wrap

from tabulate import tabulate

from benchmark.cli.options import SUITE, add_shared_options, chosen_suite, workspace
from benchmark.launch.process import EXIT_DONE
from benchmark.output import terminal_width
from benchmark.plan.status import RunState, run_states
from benchmark.tracking.plans import PlanState, default_plan, plan_states
from benchmark.tracking.records import EXTERNAL, Status
from benchmark.tracking.store import TrackingStore
from models.registry import model_names

NARROWEST, UNLIMITED = 30, 10_000  # characters: of the last column at least; of a line where there is no terminal


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_shared_options(parser, "tuned", *SUITE)


def execute(arguments: argparse.Namespace) -> int:
    """Print one line per run."""
    suite = chosen_suite(arguments, tuned=arguments.tuned)
    place = workspace(arguments)
    store = TrackingStore.existing(place.tracking_uri, place.cache_dir)
    known = store.runs(suite.profile) if store else []
    states = run_states(suite, place, known)
    rows = [
        {
            "experiment": run.config.experiment_name,
            "model": run.config.experiment.model.name,
            **({"trained on": run.config.data.train_size} if len(suite.data) > 1 else {}),
            "seed": run.config.seed,
            "state": f"{run.state}, unstable" if run.record and run.record.unstable else run.state,
            "MLflow run": run.record.run_id if run.record else "",
            "what to do": run.advice,
        }
        for run in states
    ]
    print(suite.title)
    if arguments.tuned:
        print("with tuned settings where there are any: add --tuned to the commands below")
    print(_table(rows))
    print(f"\nregistered models: {', '.join(model_names())}")
    if store and (systems := {run.experiment for run in store.runs(suite.profile, EXTERNAL, Status.FINISHED)}):
        print(f"imported systems: {', '.join(sorted(systems))}")
    if store is not None and (plans := plan_states(store, suite.profile, known)):
        print(f"\nplans of profile {suite.profile}, for `report --plan`:")
        print(_plan_table(plans, states))
    return EXIT_DONE


def _plan_table(plans: Sequence[PlanState], states: Sequence[RunState]) -> str:
    """Return one line per plan, with the commands that show it where no `--plan` is given."""
    default = default_plan(plans)
    listed = {(state.planned.fingerprint, state.config.seed) for state in states if state.planned}
    rows = [
        {
            "plan": plan.entry.fingerprint[:8],
            "runs done": f"{len(plan.finished)} of {len(plan.wanted)}" if plan.plan else "cannot be read",
            "last used": f"{datetime.fromtimestamp(plan.entry.used_at):%Y-%m-%d %H:%M}",
            "shown by": ", ".join(["list"] * (plan.wanted == listed) + ["report"] * (plan is default)),
            "name": plan.entry.name,
        }
        for plan in plans
    ]
    return _table(rows)


def _table(rows: Sequence[Mapping[str, object]]) -> str:
    """Return the rows as a table as wide as the terminal, if there is one: the last column is folded."""
    *columns, last = rows[0]
    # tabulate makes a column two wider than its head, and puts two blanks between columns.
    taken = sum(max(len(name) + 2, *(len(str(row[name])) for row in rows)) + 2 for name in columns)
    width = max(NARROWEST, terminal_width(UNLIMITED) - taken)
    folded = [
        {**row, last: "\n".join(wrap(str(row[last]), width, break_long_words=False, break_on_hyphens=False))}
        for row in rows
    ]
    return tabulate(folded, headers="keys", tablefmt="simple", disable_numparse=True)
