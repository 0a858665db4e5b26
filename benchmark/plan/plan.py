"""Plan a suite: the reviews it reads, and the identity of each run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmark.config.errors import ConfigError
from benchmark.config.schema import RunConfig, Suite, run_from_settings
from benchmark.config.tuned import tuned_file
from benchmark.plan.encoder import encoder_name, resolve_run_encoder
from benchmark.plan.fingerprint import Inputs, fingerprint
from benchmark.plan.workspace import Workspace
from benchmark.tracking.records import RUN, PlanRecord, PlanRow
from benchmark.training.device import DeviceSetting, resolve_device, resolve_precision
from data_pipeline.config import DataConfig
from data_pipeline.corpus import Corpus, audit
from data_pipeline.encoder import Encoder
from data_pipeline.load import held_out_ids
from data_pipeline.sources import read_source
from data_pipeline.word_vectors import encoder_width, file_width
from models.configs import VectorsConfig, WordsConfig
from models.precision import Precision
from models.registry import get_model_spec


def identity(kind: str, fingerprint: str, seed: int) -> str:
    """Return what is the same for two runs that must give the same result; it names their lock and checkpoints."""
    return f"{kind}-{fingerprint}-{seed}"


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run and its identity: kind, fingerprint, seed.

    Attributes:
        fingerprint: hash of everything that can change its result, except for the seed.
        precision: `training.precision` as this machine resolves it.
        kind: RUN for a row of the table, REPRODUCTION, or TRIAL for one of a search.
    """

    config: RunConfig
    fingerprint: str
    precision: Precision
    kind: str = RUN

    @property
    def identity(self) -> str:
        """The same for two runs that must give the same result."""
        return identity(self.kind, self.fingerprint, self.config.seed)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the worker."""
        return {
            "settings": self.config.settings(),
            "fingerprint": self.fingerprint,
            "precision": self.precision,
            "kind": self.kind,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PlannedRun:
        """Return the run that `to_json` was called on."""
        config = run_from_settings(content["settings"])
        return cls(config, content["fingerprint"], content["precision"], content["kind"])


@dataclass(frozen=True, slots=True)
class Plan:
    """A suite, ready to run; `record` is what the report reads.

    Attributes:
        name: what the call changed against the profile, else the profile's name.
    """

    record: PlanRecord
    runs: tuple[PlannedRun, ...]
    name: str = ""


def make_plan(suite: Suite, workspace: Workspace, names: Collection[str] = (), *, download: bool = True) -> Plan:
    """Read reviews and challenge sets, resolve device and encoders, and give every run its identity.

    Args:
        suite: all experiments of the plan.
        workspace: where the reviews are, and what computes.
        names: the experiments that will run now; none: all of them.
        download: False: reviews, challenge sets or an encoder that are not on this machine are not fetched.

    Raises:
        ReviewsNotHereError, EncoderNotHereError: they must be downloaded, and `download` is false.
        DataError: the reviews, a challenge set or an encoder cannot be read.
        ConfigError: reviews may be longer than an encoder can read; or tuned settings of one of `names` were found on
            another split.
        DeviceError: a run asks for what this machine does not have.
    """
    runs = suite.runs()
    # Encoder and precision are the same for all train sizes and seeds.
    firsts = {run.experiment_name: run for run in reversed(runs)}
    resolved = {name: _resolve(firsts[name], workspace.device, download=download) for name in suite.experiments}
    source = read_source(suite.data[0], workspace.place, download=download)
    held_out = held_out_ids(source.reviews, suite.challenges, workspace.place, download=download)
    corpora = {data: source.split(data, held_out) for data in suite.data}
    _refuse_tuned_on_test(suite, names or suite.experiments, corpora)
    published = _published(suite, corpora[suite.data[0]])
    seeds = tuple(dict.fromkeys(run.seed for run in runs))
    marks, rows = {}, []
    for data, corpus in corpora.items():
        for name, (encoder, precision) in resolved.items():
            inputs = Inputs(corpus.fingerprint, corpus.split_fingerprint, encoder, precision)
            marks[data, name] = fingerprint(firsts[name], inputs)
            rows.append(
                PlanRow(
                    experiment=name,
                    fingerprint=marks[data, name],
                    encoder=encoder_name(firsts[name]),
                    published=published.get(name),
                    train_size=len(corpus.train),
                    split_fingerprint=corpus.split_fingerprint,
                    tuned=suite.tuned[name].record(firsts[name].experiment.plain()) if name in suite.tuned else None,
                    baseline=get_model_spec(firsts[name].experiment.model.name).baseline,
                    seeds=suite.seeds[name] if suite.seeds[name] != seeds else (),
                )
            )
    corpus = corpora[suite.data[0]]
    record = PlanRecord(
        profile=suite.profile,
        seeds=seeds,
        rows=tuple(rows),
        corpus=corpus.name,
        held_out_test=corpus.held_out_test,
        val_size=len(corpus.val),
        test_size=len(corpus.test),
        audit=audit(max(corpora.values(), key=lambda each: len(each.train))),
    )
    settled = {  # the sizes of the parts, so that a record never says `all` or a share
        data: data.model_copy(update={f"{part}_size": len(reviews) for part, reviews in corpus.parts.items()})
        for data, corpus in corpora.items()
    }
    planned = [
        PlannedRun(
            config=replace(run, data=settled[run.data]),
            fingerprint=marks[run.data, run.experiment_name],
            precision=resolved[run.experiment_name][1],
        )
        for run in runs
    ]
    return Plan(record, tuple(planned), suite.name)


def _published(suite: Suite, corpus: Corpus) -> dict[str, dict[str, Any]]:
    """Return the figures of these reviews or another part of them, by experiment: `IMDB (official split)`, of IMDB."""
    return {
        figure.experiment: figure.model_dump()
        for figure in suite.published
        if figure.corpus.partition(" (")[0] == corpus.name.partition(" (")[0]
    }


def _refuse_tuned_on_test(suite: Suite, names: Collection[str], corpora: Mapping[DataConfig, Corpus]) -> None:
    """Refuse settings found on another split: a held-out test part may have reviews they were chosen on."""
    for name in (name for name in names if name in suite.tuned):
        found = suite.tuned[name].provenance
        for data, corpus in corpora.items():
            # Sizes as they are recorded, no shares; and not where the reviews lie, since their fingerprint is compared.
            ours = {"val_size": len(corpus.val), "test_size": len(corpus.test)}
            ours |= data.model_dump(include={"split", "split_seed"})
            same_split = found.corpus_fingerprint == corpus.fingerprint and all(
                value == found.data.get(key) for key, value in ours.items()
            )
            if corpus.held_out_test and not same_split:
                raise ConfigError(
                    f"{tuned_file(suite.profile, name)}: was found on another split of the reviews, which may have "
                    f"reviews of this test part in val. `python -m benchmark tune {name}` searches on this split"
                )


def _resolve(run: RunConfig, device: DeviceSetting, *, download: bool) -> tuple[str | None, Precision]:
    """Return the fingerprint of a run's encoder, None without one, and its precision on this machine."""
    precision = resolve_precision(run.experiment.training.precision, resolve_device(device))
    encoder = resolve_run_encoder(run, download=download)
    model = run.experiment.model
    if isinstance(model, WordsConfig) and model.vectors is not None:
        _check_width(run.experiment_name, model, encoder)
    reads_pieces = get_model_spec(model.name).tokenizer == "wordpiece"
    if encoder is not None and reads_pieces and run.experiment.tokens.max_length > encoder.max_positions:
        raise ConfigError(
            f"{run.experiment_name}.tokens.max_length: too long for the encoder "
            f"(got {run.experiment.tokens.max_length}, expected {encoder.max_positions} at most)"
        )
    return encoder.fingerprint if encoder else None, precision


def _check_width(name: str, model: WordsConfig, encoder: Encoder | None) -> None:
    """Raise ConfigError where the vectors that the words begin with have another width; DataError without any."""
    if isinstance(model.vectors, VectorsConfig):
        width = file_width(model.vectors.path, model.vectors.sha256)
    else:
        assert encoder is not None, "`vectors: encoder` names one"
        width = encoder_width(encoder.folder)
    if width != model.embedding_dim:
        raise ConfigError(
            f"{name}.model.embedding_dim: not the width of the vectors (got {model.embedding_dim}, expected {width}). "
            f"Set it to {width}."
        )
