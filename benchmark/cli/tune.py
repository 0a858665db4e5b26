"""`tune`: searches settings on train and val, and writes down those that won."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from benchmark.cli.options import (
    Commands,
    add_command,
    add_storage_option,
    add_suite_options,
    chosen_names,
    chosen_suite,
    interrupt_on_termination,
    positive,
    say,
    workspace,
)
from benchmark.launch.process import EXIT_DONE, EXIT_FAILED

if TYPE_CHECKING:
    from benchmark.tuning.outcome import Outcome

DEFAULT_TRIALS = 20


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = add_command(commands, "tune", tune, "search settings on train and val; `run --tuned` uses what wins")
    parser.add_argument("names", nargs="+", metavar="NAME", help="experiments with a search space, or `all` of them")
    parser.add_argument(
        "--trials",
        type=positive(int),
        metavar="N",
        help=f"so many finished trials in total, over all calls and workers (default: {DEFAULT_TRIALS} "
        "unless --minutes or a grid ends the search)",
    )
    parser.add_argument(
        "--minutes", type=positive(float), metavar="M", help="begin no trial once all have taken so long together"
    )
    parser.add_argument(
        "--metric",
        choices=["val/loss", "val/accuracy"],
        default="val/loss",
        help="what is to be lowest or highest, in the epoch of lowest val/loss (default: val/loss)",
    )
    parser.add_argument(
        "--sampler",
        choices=["tpe", "random", "grid"],
        default="tpe",
        help="how the next trial is chosen (default: tpe); grid: every combination of choices, once",
    )
    parser.add_argument(
        "--pruner",
        choices=["median", "hyperband", "none"],
        default="median",
        help="which trials are ended after an epoch (default: median)",
    )
    add_storage_option(parser)
    add_suite_options(parser, seeds="of the search, of several the first (default: the profile's)")


def tune(arguments: argparse.Namespace) -> int:
    """Search; the exit status is 1 if a trial failed."""
    from benchmark.config.errors import ConfigError
    from benchmark.tuning.plan import Budget, SearchOptions, plan_study
    from benchmark.tuning.search import search
    from benchmark.tuning.storage import storage_uri
    from benchmark.tuning.study import refuse_grid

    suite = chosen_suite(arguments)
    names = chosen_names(arguments.names, list(suite.experiments))
    if "all" in arguments.names:
        names = [name for name in names if name in suite.search or name in arguments.names]
    if not names:
        raise ConfigError(
            f"profile {suite.profile}: none of its experiments has a search space; state one in experiments.yaml "
            "under search"
        )
    unbounded = arguments.minutes or arguments.sampler == "grid"
    trials = arguments.trials or (None if unbounded else DEFAULT_TRIALS)
    options = SearchOptions(
        storage_uri(arguments.storage), Budget(trials, arguments.minutes), arguments.sampler, arguments.pruner
    )
    interrupt_on_termination()
    place = workspace(arguments)
    studies = [plan_study(suite, name, place, arguments.metric) for name in names]
    if options.sampler == "grid":
        for planned in studies:
            refuse_grid(planned.space)
    status = EXIT_DONE
    for planned in studies:
        say(f"{planned.own.experiment_name}: study {planned.name}")
        found = search(planned, options, place, say)
        if found is None:
            status = EXIT_FAILED
        else:
            print(_summary(found))
    return status


def _summary(found: Outcome) -> str:
    from benchmark.output import spell_seconds, spell_values

    best = found.best[0]
    before = "not tried to the end" if found.before is None else f"{found.before:.4f}"
    lines = [
        f"{found.experiment}: best {found.metric} {best.value:.4f}, trial {best.number} (own settings: {before}); "
        f"{found.counts.get('complete', 0)} trials complete, {found.counts.get('pruned', 0)} pruned, "
        f"{spell_seconds(found.seconds)}",
        f"  {spell_values(best.settings)}",
        *(f"  {edge}" for edge in found.edges),
    ]
    return "\n".join(lines)
