"""What is to be run: a suite, the reviews it is run on, and the identity of each run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmark.config.errors import ConfigError
from benchmark.config.schema import RunConfig, Suite, run_from_settings
from benchmark.config.tuned import tuned_file
from benchmark.plan.fingerprint import Inputs, encoder_config, fingerprint
from benchmark.plan.workspace import Workspace
from benchmark.tracking.records import RUN, PlanRecord, PlanRow
from benchmark.training.device import DeviceSetting, resolve_device, resolve_precision
from data_pipeline.config import DataConfig
from data_pipeline.corpus import Corpus, audit
from data_pipeline.encoder import EMBEDDED_NAME, Encoder, resolve_encoder
from data_pipeline.sources import read_source
from models.precision import Precision
from models.registry import get_model_spec


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run and what makes it the same run as another: kind, fingerprint, seed.

    Attributes:
        config: its settings.
        fingerprint: of everything that can change its result, the seed apart.
        precision: `training.precision` as this machine resolves it.
        kind: RUN for a row of the table, REPRODUCTION for one done again to see whether it comes out equal, TRIAL for
            one of a search.
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
    """A suite made ready.

    Attributes:
        record: what the report goes by.
        runs: what is to be run.
        audit: what the reader should know of the reviews, a line each.
    """

    record: PlanRecord
    runs: tuple[PlannedRun, ...]
    audit: tuple[str, ...] = ()


def encoder_name(run: RunConfig) -> str | None:
    """What the table and the model card call the run's encoder, None where the model has none."""
    encoder = encoder_config(run)
    if encoder is None:
        return None
    if encoder.hub is None and encoder.path is not None:
        return encoder.name or encoder.path.name
    return encoder.hub or EMBEDDED_NAME


def resolve_run_encoder(run: RunConfig, *, download: bool = True) -> Encoder | None:
    """The run's encoder on this machine, checked by hash, or None where the model has none.

    Raises:
        EncoderNotHereError: it would have to be downloaded, and `download` is false.
        DataError: it is missing, or it is not the one meant.
    """
    config = encoder_config(run)
    if config is None:
        return None
    return resolve_encoder(config.path, config.sha256, hub=config.hub, revision=config.revision, download=download)


def make_plan(suite: Suite, workspace: Workspace, *, download: bool = True) -> Plan:
    """Read the reviews, look at the machine, and give every run its identity.

    Args:
        suite: what is wanted.
        workspace: where the reviews are, and what computes.
        download: False: reviews or an encoder that are not here are not fetched.

    Raises:
        ReviewsNotHereError, EncoderNotHereError: they would have to be downloaded, and `download` is false.
        DataError: the reviews or an encoder cannot be read.
        ConfigError: reviews are to be longer than an encoder can read.
        DeviceError: a run asks for what this machine does not have.
    """
    runs = suite.runs()
    # Neither train size nor seed matters here: what holds for an experiment's first run holds for all of them.
    firsts = {run.experiment_name: run for run in reversed(runs)}
    resolved = {name: _resolve(firsts[name], workspace.device, download=download) for name in suite.experiments}
    published = {figure.experiment: figure.model_dump() for figure in suite.published}
    source = read_source(suite.data[0], workspace.place, download=download)  # once: they differ by train size alone
    corpora = {data: source.split(data) for data in suite.data}
    _refuse_tuned_on_test(suite, corpora)
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
                    tuned=_tuned_record(suite, name),
                    baseline=get_model_spec(firsts[name].experiment.model.name).baseline,
                )
            )
    corpus = corpora[suite.data[0]]
    record = PlanRecord(
        profile=suite.profile,
        seeds=suite.seeds,
        rows=tuple(rows),
        corpus=corpus.name,
        held_out_test=corpus.held_out_test,
        val_size=len(corpus.val),
        test_size=len(corpus.test),
    )
    settled = {data: _with_numbers(data, corpus) for data, corpus in corpora.items()}
    planned = [
        PlannedRun(
            config=replace(run, data=settled[run.data]),
            fingerprint=marks[run.data, run.experiment_name],
            precision=resolved[run.experiment_name][1],
        )
        for run in runs
    ]
    return Plan(record, tuple(planned), audit(corpus))


def _tuned_record(suite: Suite, name: str) -> dict[str, Any] | None:
    if name not in suite.tuned:
        return None
    return suite.tuned[name].record(suite.experiments[name].plain())


def _refuse_tuned_on_test(suite: Suite, corpora: Mapping[DataConfig, Corpus]) -> None:
    """Where the test part is held out, settings found on another split may have been chosen on its reviews."""
    for data, corpus in corpora.items():
        for name, tuned in suite.tuned.items():
            found, ours = tuned.provenance, data.model_dump(mode="json")
            same = found.corpus_fingerprint == corpus.fingerprint and all(
                value == found.data.get(key) for key, value in ours.items() if key != "train_size"
            )
            if corpus.held_out_test and not same:
                raise ConfigError(
                    f"{tuned_file(suite.profile, name)}: was found on another split of the reviews, whose val part may "
                    f"hold reviews of this test part; `python -m benchmark tune {name}` searches on this one"
                )


def _with_numbers(data: DataConfig, corpus: Corpus) -> DataConfig:
    """The settings with the sizes that the parts have, so that a record never says `all`."""
    return data.model_copy(update={"train_size": len(corpus.train), "test_size": len(corpus.test)})


def _resolve(run: RunConfig, device: DeviceSetting, *, download: bool) -> tuple[str | None, Precision]:
    """Fingerprint of a run's encoder, if it has one, and its precision on this machine."""
    precision = resolve_precision(run.experiment.training.precision, resolve_device(device))
    encoder = resolve_run_encoder(run, download=download)
    if encoder is not None and run.experiment.tokens.max_length > encoder.max_positions:
        raise ConfigError(
            f"{run.experiment_name}.tokens.max_length: {run.experiment.tokens.max_length} tokens, "
            f"but the encoder reads {encoder.max_positions} at most; lower it"
        )
    return encoder.fingerprint if encoder else None, precision
