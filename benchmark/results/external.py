"""Other systems beside a plan's models: which runs hold their predictions, and the rows that a report adds for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pandas as pd

from benchmark.results.results import PlanResults, ordered_logits
from benchmark.tracking import tags
from benchmark.tracking.records import PlanRow, RunRecord
from data_pipeline.files import hash_lines


def test_part(ids: Iterable[str], labels: Iterable[int]) -> str:
    """Return a hash of which reviews a test part has, in any order, and of their labels."""
    return hash_lines(sorted(f"{review} {label}" for review, label in zip(ids, labels, strict=True)))


def with_external(
    results: PlanResults, runs: Sequence[RunRecord], read_predictions: Callable[[RunRecord], pd.DataFrame]
) -> PlanResults:
    """Return the results with a row per finished external run of the plan's test part, below the largest train size.

    Raises:
        ResultsError: predictions contradict the recorded accuracy.
    """
    part = test_part(results.ids, results.labels)
    found = sorted((run for run in runs if run.tags.get(tags.TEST_PART) == part), key=lambda run: run.experiment)
    if not found:
        return results
    largest = max(results.plan.rows, key=lambda row: row.train_size)
    size, split = largest.train_size, largest.split_fingerprint
    rows = [
        PlanRow(run.experiment, run.fingerprint, None, None, size, split, seeds=(run.seed,), external=True)
        for run in found
    ]
    logits = {
        run.run_id: ordered_logits(run, read_predictions(run).set_index("id"), results.ids, results.labels)
        for run in found
    }
    return replace(
        results,
        plan=replace(results.plan, rows=(*results.plan.rows, *rows)),
        runs=[*results.runs, *found],
        logits={**results.logits, **logits},
    )
