"""`reproduce`: a recorded run is done again; equal, or where it differs first."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmark.cli.compare import difference_rows
from benchmark.cli.options import (
    Commands,
    add_command,
    add_data_option,
    add_store_options,
    existing_store,
    interrupt_on_termination,
    say,
    workspace,
)
from benchmark.launch.process import EXIT_DONE, EXIT_FAILED

if TYPE_CHECKING:
    from benchmark.results.compare import Section


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = add_command(commands, "reproduce", reproduce, "do a recorded run again and say whether it comes out equal")
    parser.add_argument(
        "run", metavar="RUN", help="MLflow id of the run, or as much of its beginning as no other run's id has"
    )
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda", "mps"], help="what computes (default: what computed the run)"
    )
    add_data_option(parser)
    add_store_options(parser)


def reproduce(arguments: argparse.Namespace) -> int:
    """Do it; the exit status is 1 where the runs differ or the new one failed."""
    store = existing_store(arguments)
    original = store.find_run(arguments.run)

    from benchmark.launch.launcher import run_again
    from benchmark.plan.recorded import plan_of_recorded_run, recorded_device
    from benchmark.results.compare import compare_values
    from benchmark.results.recorded_run import read_recorded_run
    from benchmark.results.reproduction import first_difference, verdict
    from benchmark.tracking import tags
    from benchmark.tracking.records import Status

    interrupt_on_termination()
    device = arguments.device or recorded_device(original)
    place = replace(workspace(arguments), device=device)
    planned = plan_of_recorded_run(store, original, place)
    say(f"{original.name} (MLflow run {original.run_id}) is done again")
    again = run_again(planned, original, place, say)
    status, words = EXIT_FAILED, f"failed: {again.error or again.status.value.lower()}"
    before, after = read_recorded_run(store, original), read_recorded_run(store, again)
    if again.status is Status.FINISHED:
        difference = first_difference(before, after)
        status, words = EXIT_FAILED if difference else EXIT_DONE, verdict(before, difference)
    store.reopen(original.run_id).set_tags({tags.REPRODUCED: f"{words} (MLflow run {again.run_id})"})
    print(words)
    print(_environment_words(compare_values(before.environment, after.environment)))
    return status


def _environment_words(section: Section) -> str:
    """Machine and versions then and now: why the results may differ."""
    from tabulate import tabulate

    if section.missing:
        return "environment: not recorded"
    if not section.different:
        return f"environment: the same in all {section.equal} facts"
    rows = [row[:3] for row in difference_rows(section)]
    table = tabulate(rows, ["environment", "then", "now"], tablefmt="simple", disable_numparse=True)
    return f"\n{table}"
