"""How the runs were made, as the page says it: reviews, machine, versions, settings, the command that redoes each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.output import flattened, spell_seconds
from benchmark.report.drawing import Table
from benchmark.report.rows import row_name
from benchmark.results.results import Details, PlanResults, finished_runs
from benchmark.tracking.records import RunRecord, Status

# Of a run's tags, those that say what it was made from and on.
TAGS = {"corpus": "reviews", "corpus_fingerprint": "their fingerprint", "precision": "precision", "device": "device"}


@dataclass(frozen=True, slots=True)
class Origin:
    """All that one needs to do it again.

    Attributes:
        facts: name and value.
        runs: one line a run.
        machines: each environment that finished runs were made in, named by the runs.
        settings: of each row, named by the model.
    """

    facts: tuple[tuple[str, str], ...]
    runs: Table
    machines: tuple[tuple[str, Table], ...]
    settings: tuple[tuple[str, Table], ...]


def origin(results: PlanResults, details: Details) -> Origin:
    """What is recorded of how a plan's runs were made."""
    finished = finished_runs(results.plan, results.runs)
    return Origin(_facts(results, finished), _runs(results), _machines(finished, details), _settings(results, details))


def _facts(results: PlanResults, finished: list[RunRecord]) -> tuple[tuple[str, str], ...]:
    plan = results.plan
    facts = [("profile", plan.profile), ("sizes", plan.spell_sizes()), ("seeds", ", ".join(map(str, plan.seeds)))]
    for tag, name in TAGS.items():
        if values := dict.fromkeys(run.tags[tag] for run in finished if tag in run.tags):
            facts.append((name, ", ".join(values)))
    facts.append(("split", ", ".join(dict.fromkeys(row.split_fingerprint for row in plan.rows))))
    facts.append(("plan", plan.fingerprint))
    return tuple(facts)


def _runs(results: PlanResults) -> Table:
    plan = results.plan
    several = len(plan.train_sizes) > 1
    lines = []
    for row in plan.rows:
        for seed, run in zip(plan.seeds, results.of(row), strict=True):
            name = f"{row_name(row)}, {row.train_size:,} reviews" if several else row_name(row)
            lines.append((name, str(seed), *_run_cells(run)))
    return Table(
        ("model", "seed", "state", "epoch chosen", "training", "hardware", "the command that redoes it"), tuple(lines)
    )


def _run_cells(run: RunRecord | None) -> tuple[str, ...]:
    if run is None:
        return "missing", "", "", "", ""
    seconds, best = run.metrics.get("train_seconds"), run.metrics.get("best_epoch")
    done = run.status is Status.FINISHED
    return (
        run.status.value.lower(),
        f"{best:.0f}" if best is not None and done else "",
        spell_seconds(seconds) if seconds is not None and done else "",
        run.tags.get("hardware", ""),
        f"python -m benchmark reproduce {run.run_id}" if done else "",
    )


def _machines(finished: list[RunRecord], details: Details) -> tuple[tuple[str, Table], ...]:
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for run in finished:
        groups.setdefault(tuple(details.runs[run.run_id].environment.items()), []).append(run.name)
    return tuple((", ".join(names), Table(("what", "value"), facts)) for facts, names in groups.items() if facts)


def _settings(results: PlanResults, details: Details) -> tuple[tuple[str, Table], ...]:
    found = []
    for row in results.plan.rows:
        runs = results.finished(row)
        if runs and (settings := details.runs[runs[0].run_id].settings):
            name = f"{row_name(row)}, trained on {row.train_size:,}"
            found.append((name, Table(("setting", "value"), _spelled(settings))))
    return tuple(found)


def _spelled(settings: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((key, str(value)) for key, value in flattened(settings) if key != "seed")
