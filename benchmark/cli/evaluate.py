"""`evaluate`: score finished runs on challenge sets."""

from __future__ import annotations

import argparse

from benchmark.cli.options import STORE, add_shared_options, interrupt_on_termination
from benchmark.launch.process import EXIT_DONE, EXIT_FAILED


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "names", nargs="*", default=["all"], metavar="NAME", help="experiments whose finished runs are scored (all)"
    )
    parser.add_argument(
        "--on",
        nargs="+",
        default=[],
        metavar="SET",
        help="challenge sets of experiments.yaml, or tables of reviews with columns text, label and, where rows belong "
        "together, group (default: the profile's sets)",
    )
    add_shared_options(parser, "profile", "plan", "config", "data", "data-dir", "device", *STORE)


def execute(arguments: argparse.Namespace) -> int:
    """Score what is missing; return exit status 1 if a run could not be scored."""
    interrupt_on_termination()

    from benchmark.api.evaluate import evaluate

    failed = evaluate(
        arguments.names,
        on=arguments.on,
        profile=arguments.profile,
        plan=arguments.plan,
        config=arguments.config,
        device=arguments.device,
        data=arguments.data,
        data_dir=arguments.data_dir,
        tracking_uri=arguments.tracking_uri,
        cache_dir=arguments.cache_dir,
    )
    return EXIT_FAILED if failed else EXIT_DONE
