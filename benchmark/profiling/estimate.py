"""Estimate the time and disk that a plan's missing runs need on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from benchmark.config.schema import RunConfig
from benchmark.plan.status import RunState
from benchmark.plan.workspace import Workspace
from benchmark.tracking.speed import Throughput
from data_pipeline.config import DataConfig
from data_pipeline.sources import OFFICIAL_ARCHIVE_BYTES, OFFICIAL_PART_SIZE, official_archive

FLOAT_BYTES, TOKEN_BYTES = 4, 4
CHECKPOINT_COPIES = 8  # weights, best weights and AdamW's two moments, of the newest checkpoint and of the one before
RECORD_BYTES = 4 * 2**20  # of a run's pictures, predictions and metrics


@dataclass(frozen=True, slots=True)
class Estimate:
    """Time and disk that the missing runs need.

    Attributes:
        seconds: per run of the suite, if all its epochs are trained; 0 if it is finished.
        cache_bytes: in the cache.
        record_bytes: in the tracking store.
        assumed: experiments whose encoder is not here, measured with a network of BERT base's shape.
        busy: experiments that were measured while other programs took much of the machine.
    """

    seconds: tuple[float, ...]
    cache_bytes: float
    record_bytes: float
    assumed: tuple[str, ...]
    busy: tuple[str, ...]


def estimate(
    runs: Sequence[RunState], workspace: Workspace, measure: Callable[[RunConfig], Throughput], *, fresh: bool = False
) -> Estimate:
    """Estimate what the unfinished runs need, or all of them if `fresh`; `measure` is called once per experiment."""
    if fresh:
        runs = [replace(run, state="missing", sibling_seconds=None) for run in runs]
    missing = [run for run in runs if run.state != "finished"]
    firsts = {run.config.experiment_name: run.config for run in reversed(missing)}
    speeds = {name: measure(config) for name, config in firsts.items()}
    seconds, extracted = [], set[tuple[str, object]]()
    for run in runs:
        name = run.config.experiment_name
        pass_key = (name, run.config.data.train_size)
        if run.state == "finished":
            seconds.append(0.0)
        elif run.sibling_seconds is not None:
            seconds.append(run.sibling_seconds)
        else:
            seconds.append(_run_seconds(run.config, speeds[name], extract=pass_key not in extracted))
        extracted.add(pass_key)
    weights = sum(speeds[run.config.experiment_name].parameters_total * FLOAT_BYTES for run in missing)
    return Estimate(
        seconds=tuple(seconds),
        cache_bytes=_cache_bytes(firsts, speeds, workspace) if missing else 0.0,
        record_bytes=weights + len(missing) * RECORD_BYTES,
        assumed=tuple(name for name, speed in speeds.items() if speed.assumed_encoder),
        busy=tuple(name for name, speed in speeds.items() if speed.busy),
    )


def part_sizes(data: DataConfig) -> tuple[int, int, int]:
    """Return the reviews of train, val and test; `all` and shares are of an official part."""

    def number(size: float) -> int:
        return round(size * OFFICIAL_PART_SIZE) if isinstance(size, float) else size

    val = number(data.val_size)
    test = OFFICIAL_PART_SIZE if data.test_size == "all" else number(data.test_size)
    train = OFFICIAL_PART_SIZE - val if data.train_size == "all" else number(data.train_size)
    return train, val, test


def _run_seconds(run: RunConfig, speed: Throughput, *, extract: bool) -> float:
    train, val, test = part_sizes(run.data)
    epoch = train / speed.train_reviews_per_second + val / speed.validation_reviews_per_second
    seconds = run.experiment.training.epochs * epoch + test / speed.validation_reviews_per_second
    if extract and speed.features_reviews_per_second is not None:
        seconds += (train + val + test) / speed.features_reviews_per_second
    return seconds


def _cache_bytes(firsts: dict[str, RunConfig], speeds: dict[str, Throughput], workspace: Workspace) -> float:
    """Add up downloads, tokens and features of all experiments, and the checkpoints of the largest."""
    data = next(iter(firsts.values())).data
    reviews = sum(part_sizes(data))
    fetched = data.source == "aclimdb" and workspace.data is None and not official_archive(workspace.cache_dir).exists()
    # Experiments that cut reviews alike share their tokens; word tokenizers differ by their vocabulary alone.
    tokens = {
        (run.experiment.tokens.vocab_size, run.experiment.tokens.min_count, speeds[name].tokens_per_review)
        for name, run in firsts.items()
    }
    return (
        (OFFICIAL_ARCHIVE_BYTES if fetched else 0)
        + sum(per_review for *_, per_review in tokens) * reviews * TOKEN_BYTES
        + sum(speed.feature_bytes for speed in speeds.values()) * reviews
        + max(speed.parameters_trainable for speed in speeds.values()) * FLOAT_BYTES * CHECKPOINT_COPIES
    )
