"""Data classes for runs and plans as stored in MLflow. Plain values: no torch, and MLflow is not imported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from benchmark.tracking import tags as names

if TYPE_CHECKING:
    from mlflow.entities import Run

# Kinds of runs.
PLAN, RUN, REPRODUCTION, THROUGHPUT, STUDY, TRIAL = "plan", "run", "reproduction", "throughput", "study", "trial"
EXTERNAL = "external"  # predictions of another system, imported

# Artifacts of a run that are read back.
CONFIG_FILE, ENVIRONMENT_FILE, PREDICTIONS_FILE = "config.yaml", "environment.json", "predictions.parquet"
EXPLANATIONS_FILE = "explanations.json"
CHALLENGES = "challenges"  # folder of a run: NAME.parquet and NAME.json per challenge set, see challenges.py

# Metrics of a run, each with the name of a part behind it.
UNKNOWN_TOKENS = "unknown_tokens/"  # share of the part's tokens that the vocabulary lacks
UNREADABLE_REVIEWS = "unreadable_reviews/"  # reviews of the part without a known token
KNOWN_VECTORS = "known_vectors"  # share of the vocabulary whose vectors were learned before
MANY_UNKNOWN = 0.2  # a larger share of unknown tokens is reported


class Status(StrEnum):
    """MLflow's words for the state of a run; FINISHED is written last and means that the record is complete."""

    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run as the tracking store has it.

    Attributes:
        fingerprint: of everything that can change the result, except the seed.
        metrics: last value of each metric.
        error: why the run failed, in one line; empty otherwise.
        params: settings, flattened with dots.
        tags: all MLflow tags.
        lock: the lock that the run's processes hold while they live, see lock.py.
        artifacts: address of the run's files.
        model: MLflow's address of the run's model; empty without one.
    """

    run_id: str
    name: str
    experiment: str
    seed: int
    fingerprint: str
    status: Status
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    lock: str = ""
    artifacts: str = ""
    model: str = ""

    @classmethod
    def of(cls, run: Run) -> RunRecord:
        """Read MLflow's run."""
        tags = run.data.tags
        models = run.outputs.model_outputs if run.outputs else []
        return cls(
            run_id=run.info.run_id,
            name=run.info.run_name,
            experiment=tags.get(names.EXPERIMENT, "?"),
            seed=int(tags.get(names.SEED, "0")),
            fingerprint=tags.get(names.FINGERPRINT, "?"),
            status=Status(run.info.status),
            metrics=dict(run.data.metrics),
            error=tags.get(names.ERROR, ""),
            params=dict(run.data.params),
            tags=dict(tags),
            lock=tags.get(names.LOCK, ""),
            artifacts=run.info.artifact_uri or "",
            model=f"models:/{models[-1].model_id}" if models else "",
        )

    @property
    def unstable(self) -> bool:
        """Return whether training came apart, see `unstable_epochs`: the figures depend on luck."""
        return names.UNSTABLE in self.tags

    @property
    def external(self) -> bool:
        """Return whether it holds the predictions of another system: it has no network and no settings."""
        return self.tags.get(names.KIND) == EXTERNAL


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One row that the table must have.

    Attributes:
        published: the figure from elsewhere to compare with, or None.
        split_fingerprint: differs between rows only by train_size.
        tuned: the search that its settings come from and its cost, see tuned.py; None: from experiments.yaml.
        baseline: a reference model, not a candidate; False in plans that were recorded before there were any.
        seeds: those of the plan's that the row has; empty: all of them, see `PlanRecord.seeds_of`.
        external: predictions of another system, which no plan wants; a report adds such rows.
    """

    experiment: str
    fingerprint: str
    encoder: str | None
    published: Mapping[str, Any] | None
    train_size: int
    split_fingerprint: str
    tuned: Mapping[str, Any] | None = None
    baseline: bool = False
    seeds: tuple[int, ...] = ()
    external: bool = False


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """What a plan wants; written before anything runs, so that a report knows what is missing.

    Attributes:
        seeds: of all rows, each once.
        rows: in the order of the table.
        held_out_test: the test part was cut from the training reviews: no official test figure.
        val_size: the same for all rows, as is `test_size`.
        audit: what a reader of the figures must know of the reviews, one sentence each; older records have none.
    """

    profile: str
    seeds: tuple[int, ...]
    rows: tuple[PlanRow, ...]
    corpus: str
    held_out_test: bool
    val_size: int
    test_size: int
    audit: tuple[str, ...] = ()

    @property
    def train_sizes(self) -> tuple[int, ...]:
        """Sizes of the train part, each once, in the order of the rows."""
        return tuple(dict.fromkeys(row.train_size for row in self.rows))

    @property
    def models(self) -> tuple[str, ...]:
        """The experiments, each once, in the order of the rows."""
        return tuple(dict.fromkeys(row.experiment for row in self.rows))

    def seeds_of(self, row: PlanRow) -> tuple[int, ...]:
        """Return the seeds of one row, in their order."""
        return row.seeds or self.seeds

    @property
    def wanted(self) -> list[tuple[str, int]]:
        """Fingerprint and seed of each run, row by row."""
        return [(row.fingerprint, seed) for row in self.rows for seed in self.seeds_of(row)]

    def spell_seeds(self) -> str:
        """Return such as `2077, 2078; bert-finetuned 2077`: all seeds, then the models that have only some of them."""
        named = {"": self.seeds} | {
            f"{row.experiment} ": row.seeds for row in self.rows if row.seeds and not row.external
        }
        return "; ".join(f"{name}{', '.join(map(str, seeds))}" for name, seeds in named.items())

    def spell_sizes(self) -> str:
        """Return such as `3,000 train, 500 val, 1,000 test`."""
        train = " / ".join(f"{size:,}" for size in self.train_sizes)
        return f"{train} train, {self.val_size:,} val, {self.test_size:,} test"

    @property
    def fingerprint(self) -> str:
        """16 hex digits by which the plan's parent run is found again; the audit follows from the rest."""
        own = replace(self, rows=tuple(row for row in self.rows if not row.external))
        wanted = {key: value for key, value in own.to_json().items() if key != "audit"}
        return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]

    def describe(self) -> str:
        """Describe the plan in one paragraph, for visitors of MLflow's page."""
        splits = ", ".join(dict.fromkeys(row.split_fingerprint for row in self.rows))
        return (
            f"{len(self.models)} models on {self.corpus}: {self.spell_sizes()} reviews, the same split for all "
            f"(fingerprint {splits}), seeds {self.spell_seeds()}. "
            "The runs are nested below; `python -m benchmark report` makes the table from them."
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values; what older records lack is left out where it is empty."""
        newer = ("seeds", "external")
        rows = [{key: value for key, value in asdict(row).items() if key not in newer or value} for row in self.rows]
        return asdict(self) | {"rows": rows}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PlanRecord:
        """Read what `to_json` returned.

        Raises:
            ValueError: something is missing or has another name.
        """
        try:
            rows = tuple(PlanRow(**{**row, "seeds": tuple(row.get("seeds", ()))}) for row in content["rows"])
            lists = {"rows": rows, "seeds": tuple(content["seeds"]), "audit": tuple(content.get("audit", ()))}
            return cls(**{**content, **lists})
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a plan of this version: {error}") from None


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """A plan in the list of its profile's plans.

    Attributes:
        name: what the call changed against the profile, else the profile's name.
        fingerprint: by which the plan's parent run is found.
        used_at: Unix time of the last `run` of this plan.
        number: position in the list, 1 is the plan used last.
        count: of the profile's plans.
        artifacts: URI of its files.
    """

    run_id: str
    name: str
    fingerprint: str
    used_at: float = 0.0
    number: int = 1
    count: int = 1
    artifacts: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.fingerprint[:8]})" if self.name else self.fingerprint[:8]


def finished_runs(plan: PlanRecord, runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the finished runs of the plan, row by row."""
    finished = {(run.fingerprint, run.seed): run for run in reversed(runs) if run.status is Status.FINISHED}
    return [finished[identity] for identity in plan.wanted if identity in finished]


def best_run(runs: Iterable[RunRecord], fingerprint: str, seed: int) -> RunRecord | None:
    """Return the finished run of this identity, else the newest, else None."""
    same = [run for run in runs if run.fingerprint == fingerprint and run.seed == seed]
    return next((run for run in same if run.status is Status.FINISHED), same[0] if same else None)
