"""`doctor`: what is wrong with machine, reviews, store and cache, and what to do about it."""

from __future__ import annotations

import argparse

from benchmark.cli.options import STORE, add_shared_options, workspace
from benchmark.doctor.examination import examine
from benchmark.doctor.finding import PROBLEM
from benchmark.launch.process import EXIT_DONE, EXIT_FAILED
from benchmark.output import spell_amount
from benchmark.training.device import resolve_device
from data_pipeline.errors import one_line


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_shared_options(parser, "device", "data", "data-dir", *STORE)


def execute(arguments: argparse.Namespace) -> int:
    """Print one line per finding; 1 where one is a problem.

    Raises:
        DeviceError: this machine has no such device.
    """
    place = workspace(arguments)
    resolve_device(place.device)  # before the other checks, which take seconds
    problems = 0
    for name, finding in examine(place):
        print(f"{finding.level:<7}  {name:<16}  {one_line(finding.text)}", flush=True)
        problems += finding.level == PROBLEM
    print(f"\n{spell_amount(problems, 'problem')}" if problems else "\nno problem")
    return EXIT_FAILED if problems else EXIT_DONE
