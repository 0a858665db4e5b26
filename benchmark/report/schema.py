"""The report as plain values: what `--format json` writes, described in docs/report-schema.md."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from benchmark.analysis.intervals import Interval
from benchmark.analysis.pairwise import Comparison
from benchmark.report.rows import Row, Spread

if TYPE_CHECKING:
    from benchmark.report.table import Report

SCHEMA_VERSION = 1  # raised when a name or unit changes or goes; what is added does not raise it


def report_json(report: Report) -> dict[str, Any]:
    """The whole report."""
    plan = report.results.plan
    return {
        "schema_version": SCHEMA_VERSION,
        "profile": plan.profile,
        "corpus": plan.corpus,
        "held_out_test": plan.held_out_test,
        "seeds": list(plan.seeds),
        "val_size": plan.val_size,
        "test_size": plan.test_size,
        "rows": [row_json(row) for row in report.verdict.rows],
        "comparisons": [_comparison(size, found) for size, found in report.verdict.comparisons.items()],
        "findings": list(report.findings),
        "notes": list(report.notes),
    }


def row_json(row: Row) -> dict[str, Any]:
    """One row; figures that are not known are null."""
    accuracy = row.accuracy
    return {
        "model": row.name,
        "experiment": row.plan.experiment,
        "baseline": row.plan.baseline,
        "tuned": row.plan.tuned is not None,
        "fingerprint": row.plan.fingerprint,
        "train_size": row.plan.train_size,
        "encoder": row.plan.encoder,
        "runs": list(row.states),
        "complete": row.complete,
        "rank": row.letters,
        "about": accuracy.about if accuracy else None,
        "test_accuracy": _spread(Spread.of(row.accuracies) if row.accuracies else None),
        "test_accuracy_interval": _interval(accuracy.interval if accuracy else None),
        "test_accuracy_bootstrap": _interval(row.bootstrap),
        "test_accuracy_by_seed": list(row.accuracies),
        **{f"test_{name}": _spread(row.scores.get(name)) for name in ("f1", "roc_auc", "log_loss", "ece")},
        **asdict(row.cost),
        "published": dict(row.plan.published) if row.plan.published else None,
    }


def _comparison(size: int, found: Comparison) -> dict[str, Any]:
    return {
        "train_size": size,
        "about": found.about,
        "test": found.test,
        "not_compared": list(found.left_out),
        "pairs": [
            {
                "first": pair.first,
                "second": pair.second,
                "difference": pair.difference,
                "interval": _interval(pair.interval),
                "p": pair.p,
                "adjusted_p": pair.adjusted_p,
                "separated": pair.separated,
                "discordance": pair.discordance,
                "smallest_detectable": pair.smallest_detectable,
            }
            for pair in found.pairs
        ],
    }


def _spread(spread: Spread | None) -> dict[str, float | None]:
    return {"mean": spread.mean if spread else None, "sd": spread.sd if spread else None}


def _interval(interval: Interval | None) -> dict[str, float | None]:
    return {"low": interval.low if interval else None, "high": interval.high if interval else None}
