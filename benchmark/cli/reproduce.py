"""`reproduce`: do a recorded run again; it is equal, or differs first at a named place."""

from __future__ import annotations

import argparse
from dataclasses import replace

from tabulate import tabulate

from benchmark.cli.compare import difference_row
from benchmark.cli.options import STORE, add_shared_options, existing_store, interrupt_on_termination, workspace
from benchmark.launch.process import EXIT_DONE, EXIT_FAILED
from benchmark.launch.run_plan import run_again
from benchmark.output import say
from benchmark.plan.recorded import plan_of_recorded_run, recorded_device
from benchmark.results.compare import Section, compare, first_difference
from benchmark.results.read import files_of, read_run
from benchmark.tracking import tags
from benchmark.tracking.records import Status


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("run", metavar="RUN", help="MLflow id of the run, or the beginning of its id")
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda", "mps"], help="what computes (default: what computed the run)"
    )
    add_shared_options(parser, "data", "data-dir", *STORE)


def execute(arguments: argparse.Namespace) -> int:
    """Do the run again; the exit status is 1 where the runs differ or the new one failed."""
    store = existing_store(arguments)
    original = store.find_run(arguments.run)
    interrupt_on_termination()
    place = replace(workspace(arguments), device=arguments.device or recorded_device(original))
    planned = plan_of_recorded_run(store, original, place)
    say(f"reproducing {original.name} (MLflow run {original.run_id})")
    again = run_again(planned, original, place, say)
    with files_of(store) as files:
        before, after = read_run(files, original), read_run(files, again)
    comparison = compare(before, after)
    status = EXIT_FAILED
    if again.status is not Status.FINISHED:
        verdict = f"failed: {again.error or again.status.value.lower()}"
    elif difference := first_difference(comparison):
        verdict = f"differs first at {difference}"
    else:
        status = EXIT_DONE
        verdict = f"equal: {before.epochs} epochs, {comparison.predictions.both:,} test predictions, bit for bit"
    store.reopen(original.run_id).set_tags({tags.REPRODUCED: f"{verdict} (MLflow run {again.run_id})"})
    print(verdict)
    print(_environment_words(comparison.sections["environment"]))
    return status


def _environment_words(section: Section) -> str:
    """Compare machine and versions then and now: why the results may differ."""
    if section.missing:
        return "environment: not recorded"
    if not section.different:
        return f"environment: all {section.equal} facts equal"
    rows = [difference_row(each)[:3] for each in section.different]
    table = tabulate(rows, ["environment", "then", "now"], tablefmt="simple", disable_numparse=True)
    return f"\n{table}"
