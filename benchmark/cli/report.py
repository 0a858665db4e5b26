"""`report`: the table and what it means, made from recorded runs alone."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.options import (
    Commands,
    add_command,
    add_data_option,
    add_profile_option,
    add_store_options,
    cache_dir,
    write_output,
)
from benchmark.launch.process import EXIT_DONE
from benchmark.output import OutputError

if TYPE_CHECKING:
    from benchmark.results.results import PlanResults
    from benchmark.tracking.store import TrackingStore
import tempfile
from typing import TYPE_CHECKING

from benchmark.cli.options import data_path

if TYPE_CHECKING:
    from benchmark.report.page import Page
    from benchmark.results.details import Details, ReviewTexts
    from benchmark.results.results import PlanResults
    from benchmark.tracking.store import TrackingStore

SUFFIXES = {".md": "markdown", ".csv": "csv", ".json": "json", ".tex": "latex", ".txt": "terminal"}
HTML = "html"


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = add_command(commands, "report", report, "print the table from the recorded runs, and what it means")
    add_profile_option(parser, "whose latest plan")
    parser.add_argument(
        "--format", choices=sorted([*SUFFIXES.values(), HTML]), default="terminal", help="form of the report"
    )
    parser.add_argument(
        "--output",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help=f"write it to a file instead ({', '.join(SUFFIXES)}), or with --format html to a folder, as index.html; "
        "may be given several times",
    )
    parser.add_argument(
        "--from", type=Path, dest="export", metavar="DIR", help="from a folder that `export` made, instead of the store"
    )
    parser.add_argument("--no-texts", action="store_true", help="leave the reviews' texts out of the HTML page")
    add_data_option(parser, downloads=False)
    add_store_options(parser)


def report(arguments: argparse.Namespace) -> int:
    """Print the report or write it to files."""
    if arguments.format == HTML:
        return _write_page(arguments)
    return print_report(arguments, arguments.profile, arguments.output)


def print_report(arguments: argparse.Namespace, profile: str, outputs: Sequence[Path]) -> int:
    """The report of the profile's latest plan, printed where no output is named.

    Raises:
        OutputError: a file cannot be written, or its ending is no known form.
        TrackingError: nothing is recorded, or it cannot be read.
        ResultsError: records contradict each other.
    """
    from benchmark.report.forms import render
    from benchmark.report.table import make_report

    for path in outputs:
        if path.suffix not in SUFFIXES:
            raise OutputError(f"--output {path}: the ending says the form; one of {', '.join(SUFFIXES)}")
    results, _ = _results(arguments, profile)
    made = make_report(results)
    for path in outputs:
        write_output(path, render(made, SUFFIXES[path.suffix]))
    if not outputs:
        print(render(made, getattr(arguments, "format", "terminal")), end="")
    return EXIT_DONE


def _write_page(arguments: argparse.Namespace) -> int:

    if not arguments.output:
        raise OutputError("--format html writes a folder: name it by --output DIR")
    results, store = _results(arguments, arguments.profile)
    write_page(arguments, results, store, arguments.output)
    return EXIT_DONE


def _results(arguments: argparse.Namespace, profile: str) -> tuple[PlanResults, TrackingStore | None]:
    """The results, and the store they were read from if it was one."""
    if getattr(arguments, "export", None) is not None:
        from benchmark.results.export import read_export

        return read_export(arguments.export), None
    from benchmark.results.read import read_results
    from benchmark.tracking.client import tracking_uri
    from benchmark.tracking.store import TrackingStore

    store = TrackingStore.existing(tracking_uri(arguments.tracking_uri), cache_dir(arguments))
    return read_results(store, profile), store


PAGE_FILE = "index.html"
LEFT_OUT = "The reviews' texts are left out of this page; the ids say which reviews they are."


def write_page(
    arguments: argparse.Namespace, results: PlanResults, store: TrackingStore | None, outputs: Sequence[Path]
) -> None:
    """Write OUTPUT/index.html, and keep the page and its pictures with the plan where the results are the store's.

    What is kept in the record has no review's text: nothing there has.

    Args:
        arguments: of `report`.
        results: what it is about.
        store: where they were read; None: from an export.
        outputs: folders, at least one.

    Raises:
        DataError: the reviews that `--data` names cannot be read.
        OutputError: a file cannot be written.
        TrackingError: a run's file cannot be read, or the store fails.
    """
    from benchmark.report.page import make_page, render_page
    from benchmark.report.table import make_report
    from benchmark.results.details import ReviewTexts
    from benchmark.results.read import details_of_export, details_of_store

    for path in outputs:
        if path.exists() and not path.is_dir():
            raise OutputError(f"--output {path}: is a file; --format html writes a folder with {PAGE_FILE} in it")
    details = details_of_export(arguments.export, results) if store is None else details_of_store(store, results)
    page = make_page(make_report(results), details)
    html = render_page(page, _texts(arguments, details, page))
    for path in outputs:
        write_output(path / PAGE_FILE, html)
    if store is not None:
        _keep(store, results.plan.profile, page, render_page(page, ReviewTexts(missing=LEFT_OUT)))


def _texts(arguments: argparse.Namespace, details: Details, page: Page) -> ReviewTexts:
    from benchmark.results.details import ReviewTexts
    from benchmark.results.review_texts import find_texts
    from data_pipeline.sources import Place

    if arguments.no_texts:
        return ReviewTexts(missing=LEFT_OUT)
    place = Place(data_path(arguments), cache_dir(arguments))
    settings = [run.settings for run in details.runs.values()]
    return find_texts(settings, page.review_ids, place, insist=arguments.data is not None)


def _keep(store: TrackingStore, profile: str, page: Page, html: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pictures").mkdir()
        (folder / PAGE_FILE).write_text(html, encoding="utf-8")
        for picture in page.pictures:
            (folder / "pictures" / f"{picture.key}.svg").write_text(picture.standalone(), encoding="utf-8")
        store.log_report(profile, folder)
