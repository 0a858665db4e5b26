"""`run`: do the missing runs of a plan, then print the table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.cli.options import SUITE, add_shared_options, chosen_suite, interrupt_on_termination, positive
from benchmark.config.choice import chosen_experiments
from benchmark.config.load import parse_assignments
from benchmark.config.tuned import tuned_file
from benchmark.launch.process import EXIT_DONE, EXIT_FAILED
from benchmark.output import say, spell_value

if TYPE_CHECKING:
    from benchmark.config.schema import Suite


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("names", nargs="+", metavar="NAME", help="experiments of the profile, or `all`")
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="start over: earlier records of these runs are superseded (they stay in MLflow)",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="train nothing: print the state of each run, and the time and disk it needs here; models not yet measured "
        "by `throughput` are run for a few seconds",
    )
    parser.add_argument(
        "--checkpoint-minutes",
        type=positive(float),
        default=2.0,
        metavar="M",
        help="minutes between checkpoints (default: 2)",
    )
    parser.add_argument(
        "--checkpoint-steps", type=positive(int), metavar="N", help="steps between checkpoints (default: by time alone)"
    )
    add_shared_options(parser, "tuned", *SUITE)


def execute(arguments: argparse.Namespace) -> int:
    """Run what is missing; return exit status 1 if a run failed."""
    suite = chosen_suite(arguments, tuned=arguments.tuned)  # wrong input is answered before torch is loaded
    names = chosen_experiments(arguments.names, list(suite.experiments))
    if arguments.tuned:
        say_tuned(suite, names)
    if arguments.dry_run:
        from benchmark.cli.dry_run import print_dry_run

        return print_dry_run(arguments, suite, names)
    interrupt_on_termination()

    from benchmark.api.run import run as run_experiments

    results = run_experiments(
        names,
        profile=arguments.profile,
        settings=parse_assignments(arguments.set),
        seeds=arguments.seed,
        config=arguments.config,
        tuned=arguments.tuned,
        fresh=arguments.fresh,
        device=arguments.device,
        data=arguments.data,
        data_dir=arguments.data_dir,
        tracking_uri=arguments.tracking_uri,
        cache_dir=arguments.cache_dir,
        checkpoint_minutes=arguments.checkpoint_minutes,
        checkpoint_steps=arguments.checkpoint_steps,
        say=say,
    )
    print(results.report(), end="")
    return EXIT_FAILED if results.unfinished(*names) else EXIT_DONE


def say_tuned(suite: Suite, names: Sequence[str]) -> None:
    """Say where the settings of each experiment come from."""
    for name in names:
        found = suite.tuned.get(name)
        if found is None:
            say(f"{name}: no tuned settings; using those of experiments.yaml")
            continue
        origin = found.provenance
        changed = found.changed(suite.experiments[name].plain())
        others = [f"{key} {spell_value(now)} (was {spell_value(then)})" for key, (then, now) in changed.items()]
        say(
            f"{name}: tuned settings of {tuned_file(suite.profile, name)} (study {origin.study}, trial "
            f"{origin.trial}, {origin.metric} {origin.value:.4f})"
            + (f"; changed since the search: {', '.join(others)}" if others else "")
        )
