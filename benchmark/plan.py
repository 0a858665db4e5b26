"""What is to be run: a suite, the reviews it is run on, and the identity of each run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.config import PublishedFigure, RunConfig, Suite, run_from_settings
from benchmark.identity import Inputs, fingerprint
from benchmark.records import PlanRecord, PlanRow
from benchmark.training.precision import DeviceSetting, resolve_device, resolve_precision
from benchmark.validation import ConfigError
from data_pipeline.corpus import Corpus
from data_pipeline.encoder import EMBEDDED_NAME, Encoder, resolve_encoder
from data_pipeline.sources import load_corpus
from models.configs import EncoderConfig
from models.precision import Precision


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a run keeps its state and what computes it; none of it changes a result.

    Attributes:
        tracking_uri: MLflow's store.
        cache_dir: tokens, features, checkpoints and locks.
        device: what computes.
    """

    tracking_uri: str
    cache_dir: Path
    device: DeviceSetting = "auto"

    def checkpoint_dir(self, identity: str) -> Path:
        """Where the run of this identity keeps the state of its training until it is finished."""
        return self.cache_dir / "checkpoints" / identity

    def lock(self, name: str) -> Path:
        """The lock that is held by whoever is at work on what this names: a run's identity, or a plan."""
        return self.cache_dir / "locks" / f"{name}.lock"

    def to_json(self) -> dict[str, Any]:
        """Plain values for the process that will run in it."""
        return {**asdict(self), "cache_dir": str(self.cache_dir)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Workspace:
        """The workspace out of `to_json`'s values."""
        return cls(content["tracking_uri"], Path(content["cache_dir"]), content["device"])


RUN, REPRODUCTION = "run", "reproduction"


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run and what makes it the same run as another: kind, fingerprint, seed.

    Attributes:
        config: its settings.
        fingerprint: of everything that can change its result, the seed apart.
        precision: `training.precision` as this machine resolves it.
        kind: RUN for a row of the table, REPRODUCTION for one done again to see whether it comes out equal.
    """

    config: RunConfig
    fingerprint: str
    precision: Precision
    kind: str = RUN

    @property
    def identity(self) -> str:
        """Two runs with the same identity are the same run."""
        return f"{self.kind}-{self.fingerprint}-{self.config.seed}"

    def to_json(self) -> dict[str, Any]:
        """Plain values for the process that will run it."""
        return {
            "settings": self.config.settings(),
            "fingerprint": self.fingerprint,
            "precision": self.precision,
            "kind": self.kind,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PlannedRun:
        """The run out of `to_json`'s values."""
        config = run_from_settings(content["settings"])
        return cls(config, content["fingerprint"], content["precision"], content["kind"])


@dataclass(frozen=True, slots=True)
class Plan:
    """A suite made ready: the record that the report goes by, and the runs."""

    record: PlanRecord
    runs: tuple[PlannedRun, ...]


def encoder_config(run: RunConfig) -> EncoderConfig | None:
    """The pre-trained encoder that the run's model names, or None."""
    encoder = getattr(run.experiment.model, "encoder", None)
    return encoder if isinstance(encoder, EncoderConfig) else None


def encoder_name(run: RunConfig) -> str | None:
    """What the table and the model card call the run's encoder, None where the model has none."""
    encoder = encoder_config(run)
    if encoder is None:
        return None
    return EMBEDDED_NAME if encoder.path is None else encoder.name or encoder.path.name


def resolve_run_encoder(run: RunConfig) -> Encoder | None:
    """The run's encoder on this machine, checked by hash, or None where the model has none.

    Raises:
        DataError: it is missing, or it is not the one meant.
    """
    config = encoder_config(run)
    return None if config is None else resolve_encoder(config.path, config.sha256)


def make_plan(suite: Suite, device: DeviceSetting) -> Plan:
    """Read the reviews, look at the machine, and give every run its identity.

    Raises:
        DataError: the reviews or an encoder cannot be read.
        ConfigError: reviews are to be longer than an encoder can read.
        PrecisionError: a run asks for what this machine does not have.
    """
    corpus = load_corpus(suite.data)
    runs = suite.runs()
    # The seed is no part of a fingerprint: what holds for one seed's runs holds for all.
    firsts = {run.experiment_name: run for run in reversed(runs)}
    resolved = {name: _resolve(firsts[name], corpus, device) for name in suite.experiments}
    published = {figure.experiment: figure for figure in suite.published}
    record = PlanRecord(
        profile=suite.profile,
        seeds=suite.seeds,
        rows=tuple(_row(firsts[name], mark, published.get(name)) for name, (mark, _) in resolved.items()),
        corpus=corpus.name,
        held_out_test=corpus.held_out_test,
        sizes={part: len(reviews) for part, reviews in corpus.parts.items()},
        split_fingerprint=corpus.split_fingerprint,
    )
    return Plan(record, tuple(PlannedRun(run, *resolved[run.experiment_name]) for run in runs))


def _resolve(run: RunConfig, corpus: Corpus, device: DeviceSetting) -> tuple[str, Precision]:
    """Fingerprint and precision of a run on this machine."""
    precision = resolve_precision(run.experiment.training.precision, resolve_device(device))
    encoder = resolve_run_encoder(run)
    if encoder is not None and run.experiment.tokens.max_length > encoder.max_positions:
        raise ConfigError(
            f"{run.experiment_name}.tokens.max_length: {run.experiment.tokens.max_length} tokens, "
            f"but the encoder reads {encoder.max_positions} at most; lower it"
        )
    inputs = Inputs(corpus.fingerprint, corpus.split_fingerprint, encoder.fingerprint if encoder else None, precision)
    return fingerprint(run, inputs), precision


def _row(run: RunConfig, mark: str, figure: PublishedFigure | None) -> PlanRow:
    return PlanRow(run.experiment_name, mark, encoder_name(run), figure.model_dump() if figure else None)
