"""`report --format html`: the page, and a copy of it in the record."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.commands.options import cache_dir, data_path, write_output
from benchmark.output import OutputError

if TYPE_CHECKING:
    from benchmark.report.page import Page
    from benchmark.results.details import Details, ReviewTexts
    from benchmark.results.results import Results
    from benchmark.tracking.store import TrackingStore

PAGE_FILE = "index.html"
LEFT_OUT = "The reviews' texts are left out of this page; the ids say which reviews they are."


def write_page(
    arguments: argparse.Namespace, results: Results, store: TrackingStore | None, outputs: Sequence[Path]
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
