"""What a run is once it is over. Plain values: no torch, no MLflow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

# Kinds of runs that a store keeps.
RUN, REPRODUCTION, THROUGHPUT, STUDY, TRIAL = "run", "reproduction", "throughput", "study", "trial"

# Artifacts of a run that are read back.
CONFIG_FILE, ENVIRONMENT_FILE, PREDICTIONS_FILE = "config.yaml", "environment.json", "predictions.parquet"
EXPLANATIONS_FILE = "explanations.json"


class Status(StrEnum):
    """MLflow's words for how a run stands; FINISHED is written last and means that everything is there."""

    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run as the tracking store knows it.

    Attributes:
        run_id: MLflow's id.
        name: what people call it.
        experiment: entry of experiments.yaml.
        seed: the run's seed.
        fingerprint: of everything that can change the result, the seed apart.
        status: how it stands.
        metrics: last value of each metric.
        error: why it failed, in one line; empty otherwise.
        params: its settings, flattened with dots.
        tags: all that MLflow keeps beside.
        lock: which lock its processes hold while they live, see run_lock.py.
        artifacts: address of its files.
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


@dataclass(frozen=True, slots=True)
class Throughput:
    """How fast a model is on one machine; the names are those under which MLflow keeps the figures.

    Attributes:
        train_reviews_per_second: of an epoch, dropout and optimizer included; where the encoder is frozen, on features
            that are made already.
        train_tokens_per_second: the same in tokens, after truncation.
        validation_reviews_per_second: of the validation after an epoch, likewise.
        inference_reviews_per_second: of new reviews in batches, tokenised before; a frozen encoder included.
        inference_tokens_per_second: the same in tokens, after truncation.
        features_reviews_per_second: of a frozen encoder's one pass, None without one.
        latency_p50_ms: of one new review, tokenisation included: the median.
        latency_p95_ms: what one in twenty exceeds.
        train_gflops: useful matrix products of training a second, 1e9 of them; padding is not useful. None where the
            network multiplies no matrices.
        matmul_gflops: what products of the same shapes alone make here, in the same minute; None likewise.
        share_of_peak: the first as a part of the second; None likewise.
        peak_memory_mib: of the process that measured.
        parameters_total: of the network.
        parameters_trainable: those that learn.
        tokens_per_review: of whole reviews, before truncation.
        feature_bytes: on disk, of one review's features; 0 without a frozen encoder.
        assumed_encoder: the encoder is not here, and a network of BERT base's shape stood in for it.
    """

    train_reviews_per_second: float
    train_tokens_per_second: float
    validation_reviews_per_second: float
    inference_reviews_per_second: float
    inference_tokens_per_second: float
    features_reviews_per_second: float | None
    latency_p50_ms: float
    latency_p95_ms: float
    train_gflops: float | None
    matmul_gflops: float | None
    share_of_peak: float | None
    peak_memory_mib: float
    parameters_total: int
    parameters_trainable: int
    tokens_per_review: float
    feature_bytes: int
    assumed_encoder: bool = False

    def metrics(self) -> dict[str, float]:
        """The figures as MLflow keeps them, without those that there are none of."""
        return {name: float(value) for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_metrics(cls, metrics: Mapping[str, float]) -> Throughput:
        """What `metrics` gave."""
        found: dict[str, Any] = {each.name: metrics.get(each.name) for each in fields(cls)}
        for name in ("parameters_total", "parameters_trainable", "feature_bytes"):
            found[name] = int(found[name])
        return cls(**found | {"assumed_encoder": bool(found["assumed_encoder"])})


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """One part of the corpus as a run read it.

    Attributes:
        name: corpus and part.
        split: `train`, `val` or `test`.
        digest: hash of the part's reviews, in order.
        source_type: kind of the source.
        source: where the reviews come from and how they were split.
        columns: name and type of each, as MLflow's schema has them.
        profile: how many reviews, and of which class.
    """

    name: str
    split: str
    digest: str
    source_type: str
    source: Mapping[str, Any]
    columns: Sequence[Mapping[str, Any]]
    profile: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One row that the table must have, with every seed of the plan.

    Attributes:
        experiment: entry of experiments.yaml.
        fingerprint: of its runs.
        encoder: name of the pre-trained encoder, None without one.
        published: the figure from elsewhere to set beside it, or None.
        train_size: reviews that it is trained on.
        split_fingerprint: of the split, which differs from row to row by train_size alone.
        tuned: which search its settings come from and what that cost, see tuned.py; None: from experiments.yaml.
        baseline: its model is what the others must beat to be worth their cost; plans of old do not say.
    """

    experiment: str
    fingerprint: str
    encoder: str | None
    published: Mapping[str, Any] | None
    train_size: int
    split_fingerprint: str
    tuned: Mapping[str, Any] | None = None
    baseline: bool = False


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """What a plan wants; written before anything runs, so that a report knows what is missing.

    Attributes:
        profile: the profile's name.
        seeds: seeds wanted of every row.
        rows: in the order of the table.
        corpus: name of the corpus, as the report says it.
        held_out_test: the test part was cut from the training reviews: no official test figure.
        val_size: reviews that choose the epoch, the same for all rows.
        test_size: reviews scored once, the same for all rows.
    """

    profile: str
    seeds: tuple[int, ...]
    rows: tuple[PlanRow, ...]
    corpus: str
    held_out_test: bool
    val_size: int
    test_size: int

    @property
    def train_sizes(self) -> tuple[int, ...]:
        """Reviews trained on, each size once, in the order of the rows."""
        return tuple(dict.fromkeys(row.train_size for row in self.rows))

    @property
    def models(self) -> tuple[str, ...]:
        """The experiments, each once, in the order of the rows."""
        return tuple(dict.fromkeys(row.experiment for row in self.rows))

    def spell_sizes(self) -> str:
        """Such as `3,000 train, 500 val, 1,000 test`."""
        train = " / ".join(f"{size:,}" for size in self.train_sizes)
        return f"{train} train, {self.val_size:,} val, {self.test_size:,} test"

    @property
    def fingerprint(self) -> str:
        """16 hex digits: the same plan, the same parent run."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]

    def describe(self) -> str:
        """One paragraph for a visitor of the MLflow UI."""
        splits = ", ".join(dict.fromkeys(row.split_fingerprint for row in self.rows))
        return (
            f"{len(self.models)} models on {self.corpus}: {self.spell_sizes()} reviews, the same split for all "
            f"(fingerprint {splits}), seeds {', '.join(map(str, self.seeds))}. "
            "The runs are nested below; `python -m benchmark report` makes the table from them."
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` reads them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PlanRecord:
        """The plan out of `to_json`'s values.

        Raises:
            ValueError: something is missing or has another name.
        """
        try:
            rows = tuple(PlanRow(**row) for row in content["rows"])
            return cls(**{**content, "rows": rows, "seeds": tuple(content["seeds"])})
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a plan of this version: {error}") from None


def best_run(runs: Iterable[RunRecord], fingerprint: str, seed: int) -> RunRecord | None:
    """Of the runs with this identity the finished one, else the newest, else None."""
    same = [run for run in runs if run.fingerprint == fingerprint and run.seed == seed]
    return next((run for run in same if run.status is Status.FINISHED), same[0] if same else None)
