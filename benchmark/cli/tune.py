"""`tune`: search settings on train and val."""

from __future__ import annotations

import argparse

from benchmark.cli.options import SUITE, add_shared_options, chosen_suite, interrupt_on_termination, positive, workspace
from benchmark.config.choice import chosen_experiments
from benchmark.config.errors import ConfigError
from benchmark.launch.process import EXIT_DONE, EXIT_FAILED
from benchmark.output import say, spell_amount, spell_seconds, spell_values
from benchmark.tracking.store import TrackingStore

DEFAULT_TRIALS = 20


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("names", nargs="+", metavar="NAME", help="experiments with a search space, or `all` of them")
    parser.add_argument(
        "--trials",
        type=positive(int),
        metavar="N",
        help=f"finished trials in total, over all calls and workers (default: {DEFAULT_TRIALS} "
        "unless --minutes or a grid ends the search)",
    )
    parser.add_argument(
        "--minutes", type=positive(float), metavar="M", help="wall time of all trials, after which no trial begins"
    )
    parser.add_argument(
        "--metric",
        choices=["val/loss", "val/accuracy"],
        default="val/loss",
        help="what to optimize, in the epoch of lowest val/loss (default: val/loss)",
    )
    parser.add_argument(
        "--sampler",
        choices=["tpe", "random", "grid"],
        default="tpe",
        help="how to choose the next trial (default: tpe); grid: every combination of choices, once",
    )
    parser.add_argument(
        "--pruner",
        choices=["median", "hyperband", "none"],
        default="median",
        help="which trials to end early (default: median)",
    )
    add_shared_options(parser, "storage", *SUITE)


def execute(arguments: argparse.Namespace) -> int:
    """Search; return 1 if a trial failed."""
    suite = chosen_suite(arguments)  # wrong input is answered before torch and optuna are loaded
    names = chosen_experiments(arguments.names, list(suite.experiments))
    if "all" in arguments.names:
        names = [name for name in names if name in suite.search or name in arguments.names]
    if not names:
        raise ConfigError(f"profile {suite.profile}: no search space. Add one to experiments.yaml under search.")

    from benchmark.tuning.plan import SearchOptions, check_grid, plan_study
    from benchmark.tuning.search import Searcher
    from benchmark.tuning.storage import open_storage, storage_uri

    unbounded = arguments.minutes or arguments.sampler == "grid"
    options = SearchOptions(
        storage_uri(arguments.storage),
        arguments.trials or (None if unbounded else DEFAULT_TRIALS),
        arguments.minutes,
        arguments.sampler,
        arguments.pruner,
    )
    interrupt_on_termination()
    place = workspace(arguments)
    studies = [plan_study(suite, name, place, arguments.metric) for name in names]
    if options.sampler == "grid":
        for planned in studies:
            check_grid(planned.space)
    storage = open_storage(options.storage, place.lock("optuna"))
    searcher = Searcher(options, storage, TrackingStore(place.tracking_uri, place.cache_dir), place, say)
    status = EXIT_DONE
    for planned in studies:
        say(f"{planned.own.experiment_name}: study {planned.name}")
        found = searcher.search(planned)
        if found is None:
            status = EXIT_FAILED
            continue
        best, before = found.best[0], "not complete" if found.before is None else f"{found.before:.4f}"
        print(
            f"{found.experiment}: best {found.metric} {best.value:.4f}, trial {best.number} (own settings: {before}); "
            f"{spell_amount(found.counts.get('complete', 0), 'trial')} complete, "
            f"{found.counts.get('pruned', 0)} pruned, "
            f"{spell_seconds(found.seconds)}",
            f"  {spell_values(best.params)}",
            *(f"  {edge}" for edge in found.edges),
            sep="\n",
        )
    return status
