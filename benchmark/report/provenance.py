"""How the runs were made: reviews, machine, versions, settings, the command that reproduces each."""

from __future__ import annotations

from typing import Any

from benchmark.output import flattened, spell_seconds
from benchmark.report.drawing import Table
from benchmark.report.rows import row_name
from benchmark.results.results import Details, PlanResults
from benchmark.tracking import tags
from benchmark.tracking.records import RunRecord, Status, finished_runs

# Tags of a run that say what it was made from and on, with their names on the page.
TAGS = {"corpus": "reviews", "corpus_fingerprint": "their fingerprint", "precision": "precision", "device": "device"}
RUN_COLUMNS = ("model", "seed", "state", "epoch chosen", "train time", "hardware", "command to reproduce it")


def provenance(results: PlanResults, details: Details) -> dict[str, Any]:
    """Return what the page's last section shows: facts, and tables of runs, machines and settings."""
    plan = results.plan
    finished = finished_runs(plan, results.runs)
    facts = [("profile", plan.profile), ("sizes", plan.spell_sizes()), ("seeds", plan.spell_seeds())]
    for tag, name in TAGS.items():
        if values := dict.fromkeys(run.tags[tag] for run in finished if tag in run.tags):
            facts.append((name, ", ".join(values)))
    facts.append(("split", ", ".join(dict.fromkeys(row.split_fingerprint for row in plan.rows))))
    facts.append(("plan", plan.fingerprint))

    runs: list[tuple[str, ...]] = []
    settings: list[tuple[str, Table]] = []
    for row in plan.rows:
        name = row_name(row) if row.external else f"{row_name(row)}, trained on {row.train_size:,}"
        short = name if len(plan.train_sizes) > 1 else row_name(row)
        of_seeds = zip(plan.seeds_of(row), results.of(row), strict=True)
        runs += [(short, "" if row.external else str(seed), *_run_cells(run)) for seed, run in of_seeds]
        for run in results.finished(row)[:1]:
            chosen = [(key, str(value)) for key, value in flattened(details.runs[run.run_id].settings) if key != "seed"]
            if run.external and tags.USER in run.tags:
                chosen.append(("imported by", run.tags[tags.USER]))
            settings += [(name, Table(("setting", "value"), chosen))] if chosen else []

    machines: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for run in finished:
        machines.setdefault(tuple(details.runs[run.run_id].environment.items()), []).append(run.name)
    return {
        "facts": facts,
        "runs": Table(RUN_COLUMNS, runs),
        "machines": [(", ".join(names), Table(("what", "value"), found)) for found, names in machines.items() if found],
        "settings": settings,
    }


def _run_cells(run: RunRecord | None) -> tuple[str, ...]:
    if run is None:
        return "missing", "", "", "", ""
    hardware = run.tags.get("hardware", "")
    if run.external:  # an export lacks the command, which names files of another machine
        return "imported", "", "", "", run.tags.get(tags.SOURCE, "")
    if run.status is not Status.FINISHED:
        return run.status.value.lower(), "", "", hardware, ""
    seconds, best = run.metrics.get("train_seconds"), run.metrics.get("best_epoch")
    return (
        "finished, unstable" if run.unstable else "finished",
        f"{best:.0f}" if best is not None else "",
        spell_seconds(seconds + run.metrics.get("features_seconds", 0.0)) if seconds is not None else "",
        hardware,
        f"python -m benchmark reproduce {run.run_id}",
    )
