"""Results of a plan: tables, predictions, comparisons, reports."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path

import pandas as pd

from benchmark.analysis.metrics import probabilities
from benchmark.output import terminal_width, write_whole
from benchmark.report.beyond_forms import challenge_frame
from benchmark.report.forms import HTML, PAGE_FILE, WIDTH, destination, render, table_frame
from benchmark.report.page import Page, make_page, render_page
from benchmark.report.rows import Row
from benchmark.report.table import Report, make_report
from benchmark.results.export_files import ExportFiles
from benchmark.results.merge import read_exports
from benchmark.results.read import files_of, read_details, read_results
from benchmark.results.results import Details, PlanResults, ResultsError, ReviewTexts
from benchmark.tracking.client import tracking_uri as located_uri
from benchmark.tracking.records import Status
from benchmark.tracking.store import TrackingStore
from data_pipeline.errors import did_you_mean
from data_pipeline.paths import at_home
from data_pipeline.sources import Place

TEXTS_LEFT_OUT = ReviewTexts(
    missing="The reviews' texts are left out of this page; the ids say which reviews they are."
)


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """How much more accurate one model is than another on the same test reviews. Accuracies are 0 to 1.

    Attributes:
        first: name of the first model.
        second: name of the second model.
        difference: accuracy of the first minus accuracy of the second.
        interval: 95 % confidence interval of the difference, this pair by itself.
        p: p-value of the test, this pair by itself.
        adjusted_p: p-value corrected for all pairs of the table (Holm 1979).
        test: name of the test.
    """

    first: str
    second: str
    difference: float
    interval: tuple[float, float]
    p: float
    adjusted_p: float
    test: str


def load_results(
    profile: str = "quick",
    *,
    plan: str | None = None,
    tracking_uri: str | None = None,
    cache_dir: str | Path | None = None,
    export: str | Path | Sequence[str | Path] | None = None,
) -> Results:
    """Return what is recorded of a plan: what `python -m benchmark report` reads.

    Args:
        profile: a profile of experiments.yaml.
        plan: name of the plan, or the beginning of its fingerprint, as `python -m benchmark list` shows them; None: of
            the complete plans the one used last, else the one used last.
        tracking_uri: MLflow's store; None: MLFLOW_TRACKING_URI, else mlflow.db in the working directory.
        cache_dir: None: BENCHMARK_CACHE, else .benchmark in the working directory.
        export: a folder that `python -m benchmark export` wrote, read in place of the store; several are merged.

    Raises:
        InputError: nothing is recorded, there is no such plan, or the records cannot be read or contradict each other.
    """
    cache = Place.locate(cache_dir=cache_dir).cache_dir
    if export is not None:
        if plan is not None:
            raise ResultsError(f"--plan {plan}: an export holds one plan. Drop `--plan`, or read the store")
        folders = [export] if isinstance(export, str | Path) else export
        recorded, files = read_exports([at_home(folder) for folder in folders])
        return Results(recorded, cache, export=files)
    store = TrackingStore.existing(located_uri(tracking_uri), cache)
    return Results(read_results(store, profile, plan), cache, store=store)


class Results:
    """What is recorded of a plan. `benchmark.run` and `benchmark.load_results` make it; a notebook shows its table."""

    def __init__(
        self,
        recorded: PlanResults,
        cache_dir: Path,
        *,
        store: TrackingStore | None = None,
        export: ExportFiles | None = None,
    ) -> None:
        self._recorded = recorded
        self._cache_dir = cache_dir
        self._store = store
        self._export = export

    @property
    def profile(self) -> str:
        """The profile whose plan this is."""
        return self._recorded.plan.profile

    @property
    def plan(self) -> str:
        """Name of the plan with the beginning of its fingerprint."""
        return str(self._recorded.entry)

    @property
    def findings(self) -> tuple[str, ...]:
        """What the figures say, one or two sentences each."""
        return self._report.findings

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know to read the tables, one sentence each."""
        return self._report.notes

    def unfinished(self, *models: str) -> dict[str, str]:
        """Return the runs of these models (all without any) that are not finished: name, and state with the error."""
        plan, found = self._recorded.plan, {}
        for row in plan.rows:
            if models and row.experiment not in models:
                continue
            size = f", trained on {row.train_size:,}" if len(plan.train_sizes) > 1 else ""
            for seed, run in zip(plan.seeds_of(row), self._recorded.of(row), strict=True):
                name = f"{row.experiment} seed {seed}{size}"
                if run is None:
                    found[name] = "missing"
                elif run.status is not Status.FINISHED:
                    found[name] = f"{run.status.lower()}{f': {run.error}' if run.error else ''}"
        return found

    def table(self) -> pd.DataFrame:
        """Return one row per model and train size, figures as numbers; the units stand in the column names.

        The columns are those of the CSV report (docs/report-schema.md); accuracies are 0 to 1.
        """
        return table_frame(self._report)

    @property
    def challenges(self) -> dict[str, pd.DataFrame]:
        """By challenge set, one row per model of the largest train size; columns as in docs/report-schema.md."""
        return {found.results.name: challenge_frame(found) for found in self._report.challenges}

    def predictions(self, model: str) -> pd.DataFrame:
        """Return the model's predictions on the test reviews: seed, train_size, id, label, probability.

        One row per finished run and review. `label` is the true label, 0 or 1; `probability` is the model's
        probability that the review is positive.

        Raises:
            ResultsError: the plan has no such model, or none of its runs is finished.
        """
        results, tables = self._recorded, []
        for row in self._rows(model):
            for run in results.finished(row.plan):
                positive = probabilities(results.logits[run.run_id])[:, 1]
                tables.append(
                    pd.DataFrame(
                        {
                            "seed": run.seed,
                            "train_size": row.plan.train_size,
                            "id": results.ids,
                            "label": results.labels,
                            "probability": positive,
                        }
                    )
                )
        if not tables:
            raise ResultsError(f"{model}: no run is finished; `python -m benchmark run {model}` finishes it")
        return pd.concat(tables, ignore_index=True)

    def compare(self, first: str, second: str, *, train_size: int | None = None) -> ModelComparison:
        """Compare the test accuracy of two models, by the test that the table's letters rest on.

        With several seeds of both models: a Welch test over seeds and reviews; else McNemar's exact test (McNemar
        1947), which is about these networks alone: of each two, where one of the models has several; the largest p.

        Args:
            first: a model of the plan.
            second: another one.
            train_size: which size of the train part, where the plan has several; None: the largest.

        Raises:
            ResultsError: the plan has no such model, or not all its runs are finished.
        """
        if first == second:
            raise ResultsError(f"{first}: is compared with itself. Name two models")
        size = max(self._recorded.plan.train_sizes) if train_size is None else train_size
        names = [self._row_of(model, size).name for model in (first, second)]
        comparison = self._report.verdict.comparisons.get(size)
        for pair in comparison.pairs if comparison is not None else ():
            if [pair.first, pair.second] == names:
                sign, low, high = 1.0, pair.interval.low, pair.interval.high
            elif [pair.second, pair.first] == names:
                sign, low, high = -1.0, -pair.interval.high, -pair.interval.low
            else:
                continue
            figures = (sign * pair.difference, (low, high), pair.p, pair.adjusted_p)
            return ModelComparison(names[0], names[1], *figures, pair.test)
        raise ResultsError(
            f"{first}, {second}: not compared, as not all their runs are finished. Finish them with `run`"
        )

    def report(
        self,
        form: str | None = None,
        output: str | Path | None = None,
        *,
        texts: bool = True,
        data: str | Path | None = None,
        data_dir: str | Path | None = None,
    ) -> str:
        """Return the report, and write it where `output` says.

        The HTML page and its pictures are also saved with the plan in MLflow, without the reviews' texts.

        Args:
            form: terminal, markdown, csv, json, latex or html; None: what the output's ending says, else terminal.
            output: the file to write; for html also the folder to write index.html in.
            texts: show the reviews' texts on the HTML page, where the reviews are at hand.
            data: the official reviews whose texts the page shows; None: BENCHMARK_DATA, else the cache's copy.
            data_dir: folder with the publishers' files of challenge sets; None: BENCHMARK_DATA_DIR, else the cache.

        Raises:
            OutputError: the form is unknown or contradicts the output's ending, or the output cannot be written.
            DataError: the reviews that `data` names cannot be read.
            TrackingError: a run's files cannot be read.
        """
        chosen, target = destination(form, Path(output) if output is not None else None)
        if chosen == HTML:
            page, place = self._saved_page, Place.locate(data, self._cache_dir, data_dir)
            text = render_page(page, page.find_texts(place, insist=data is not None) if texts else TEXTS_LEFT_OUT)
        else:
            width = terminal_width(WIDTH) if target is None else WIDTH
            text = render(self._report, chosen, width)
        if target is not None:
            write_whole(target, text)
        return text

    def __repr__(self) -> str:
        return self.report()

    def _repr_html_(self) -> str:
        tables = [
            f"<h4>{escape(table.title)}</h4>" + table.frame.to_html(index=False, border=0, escape=True)
            for table in self._report.tables
        ]
        sentences = "".join(f"<li>{escape(line)}</li>" for line in (*self.findings, *self.notes))
        return f"{''.join(tables)}<ul>{sentences}</ul>"

    @cached_property
    def _report(self) -> Report:
        return make_report(self._recorded)

    @cached_property
    def _details(self) -> Details:
        if self._store is not None:
            with files_of(self._store) as files:
                return read_details(files, self._recorded)
        assert self._export is not None
        return read_details(self._export, self._recorded)

    @cached_property
    def _saved_page(self) -> Page:
        """The page; saved with the plan, without texts, where the results were read from a store."""
        page = make_page(self._report, self._details)
        if self._store is not None:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                (folder / "pictures").mkdir()
                html = render_page(page, TEXTS_LEFT_OUT)
                (folder / PAGE_FILE).write_text(html, encoding="utf-8")
                for picture in page.pictures:
                    (folder / "pictures" / f"{picture.key}.svg").write_text(picture.standalone(), encoding="utf-8")
                self._store.log_report(self._recorded.entry.run_id, folder)
        return page

    def _rows(self, model: str) -> list[Row]:
        rows = [row for row in self._report.verdict.rows if model in (row.name, row.plan.experiment)]
        if not rows:
            known = self._recorded.plan.models
            raise ResultsError(f"{model}: profile {self.profile!r} has no such model{did_you_mean(model, known)}")
        return rows

    def _row_of(self, model: str, train_size: int) -> Row:
        rows = {row.plan.train_size: row for row in self._rows(model)}
        if train_size not in rows:
            raise ResultsError(f"{model}: no runs with train size {train_size:,} (got {', '.join(map(str, rows))})")
        return rows[train_size]
