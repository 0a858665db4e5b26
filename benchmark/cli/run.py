"""`run`: what is missing of a plan is done, then the table is printed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmark.cli.dry_run import print_dry_run
from benchmark.cli.options import (
    Commands,
    add_command,
    add_suite_options,
    add_tuned_option,
    chosen_names,
    chosen_suite,
    interrupt_on_termination,
    positive,
    say,
    workspace,
)
from benchmark.cli.report import print_report
from benchmark.config.tuned import tuned_file
from benchmark.launch.process import EXIT_FAILED
from benchmark.output import spell_value

if TYPE_CHECKING:
    from benchmark.config.schema import Suite


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = add_command(commands, "run", run, "do the runs that are missing, then print the table")
    parser.add_argument("names", nargs="+", metavar="NAME", help="experiments of the profile, or `all`")
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="start over: what is recorded of these runs is set aside (it stays in MLflow) and all is done again",
    )
    add_tuned_option(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="do none of the runs: print how they stand and the time and disk that they need here, for which "
        "each model that `throughput` has not measured is tried for some seconds",
    )
    parser.add_argument(
        "--checkpoint-minutes",
        type=positive(float),
        default=2.0,
        metavar="M",
        help="unfinished work is written down so often: what an interruption can cost (default: 2)",
    )
    parser.add_argument(
        "--checkpoint-steps", type=positive(int), metavar="N", help="and after so many steps (default: by time alone)"
    )
    add_suite_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the exit status is 1 if a run failed."""
    suite = chosen_suite(arguments, tuned=arguments.tuned)
    names = chosen_names(arguments.names, list(suite.experiments))
    if arguments.tuned:
        say_tuned(suite, names)
    if arguments.dry_run:
        return print_dry_run(arguments, suite, names)
    interrupt_on_termination()

    from benchmark.launch.run_plan import run_plan
    from benchmark.plan.plan import make_plan
    from benchmark.training.config import CheckpointInterval

    interval = CheckpointInterval(60 * arguments.checkpoint_minutes, arguments.checkpoint_steps)
    place = replace(workspace(arguments), interval=interval)
    plan = make_plan(suite, place)
    say(f"profile {suite.profile}: {plan.record.corpus}, {plan.record.spell_sizes()}")
    for line in plan.audit:
        say(f"  {line}")
    outcome = run_plan(plan, names, place, say, fresh=arguments.fresh)
    say(f"{outcome.finished} finished, {outcome.skipped} skipped, {outcome.failed} failed\n")
    status = print_report(arguments, suite.profile, [])
    return EXIT_FAILED if outcome.failed else status


def say_tuned(suite: Suite, names: Sequence[str]) -> None:
    """Which settings come from where."""
    for name in names:
        found = suite.tuned.get(name)
        if found is None:
            say(f"{name}: no tuned settings; those of experiments.yaml")
        else:
            origin = found.provenance
            changed = found.changed(suite.experiments[name].plain())
            others = [f"{key} {spell_value(now)} (then {spell_value(then)})" for key, (then, now) in changed.items()]
            say(
                f"{name}: tuned settings of {tuned_file(suite.profile, name)} (study {origin.study}, trial "
                f"{origin.trial}, {origin.metric} {origin.value:.4f})"
                + (f"; not as they were found: {', '.join(others)}" if others else "")
            )
