"""What a plan still has to do on this machine: how its runs stand, and the time and disk that they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from benchmark.config.schema import RunConfig
from benchmark.plan.status import Standing
from benchmark.plan.workspace import Workspace
from benchmark.tracking.records import Throughput
from data_pipeline.config import DataConfig
from data_pipeline.sources import OFFICIAL_ARCHIVE_BYTES, OFFICIAL_PART_SIZE, official_archive

FLOAT_BYTES, TOKEN_BYTES = 4, 4
CHECKPOINT_COPIES = 8  # weights, best weights and AdamW's two moments, of the newest epoch and of the one before
RECORD_BYTES = 4 * 2**20  # pictures, predictions and metrics of a run, the network apart


@dataclass(frozen=True, slots=True)
class Need:
    """Time and disk that the missing runs need.

    Attributes:
        seconds: of each run of the suite, at most; 0 where it is finished.
        cache_bytes: what is kept in the cache.
        record_bytes: what is kept in the tracking store.
        assumed: experiments whose encoder is not here, so that a network of BERT base's shape was measured.
    """

    seconds: tuple[float, ...]
    cache_bytes: float
    record_bytes: float
    assumed: tuple[str, ...]


def need(
    runs: Sequence[Standing], workspace: Workspace, measure: Callable[[RunConfig], Throughput], *, again: bool = False
) -> Need:
    """What the runs that are not finished need.

    Args:
        runs: see `standings`.
        workspace: where the cache is.
        measure: how fast a run's model is.
        again: all of them are to be done, also those that are finished.
    """
    if again:
        runs = [replace(run, state="missing", sibling_seconds=None) for run in runs]
    missing = [run for run in runs if run.state != "finished"]
    firsts = {run.config.experiment_name: run.config for run in reversed(missing)}
    speeds = {name: measure(config) for name, config in firsts.items()}
    seconds, paid = [], set[tuple[str, str]]()
    for run in runs:
        name, data = run.config.experiment_name, run.config.data
        if run.state == "finished":
            seconds.append(0.0)
        elif run.sibling_seconds is not None:
            seconds.append(run.sibling_seconds)
        else:
            seconds.append(_seconds(run.config, speeds[name], features=(name, str(data.train_size)) not in paid))
        paid.add((name, str(data.train_size)))
    return Need(
        seconds=tuple(seconds),
        cache_bytes=_cache_bytes(list(firsts.values()), speeds, workspace),
        record_bytes=sum(
            speeds[run.config.experiment_name].parameters_total * FLOAT_BYTES + RECORD_BYTES for run in missing
        ),
        assumed=tuple(name for name, speed in speeds.items() if speed.assumed_encoder),
    )


def part_sizes(data: DataConfig) -> tuple[int, int, int]:
    """Reviews of train, val and test; until the reviews are here, `all` is what official parts are known to have."""
    test = OFFICIAL_PART_SIZE if data.test_size == "all" else data.test_size
    train = OFFICIAL_PART_SIZE - data.val_size if data.train_size == "all" else data.train_size
    return train, data.val_size, test


def _seconds(run: RunConfig, speed: Throughput, *, features: bool) -> float:
    """Wall time of a run that trains all its epochs."""
    train, val, test = part_sizes(run.data)
    epoch = train / speed.train_reviews_per_second + val / speed.validation_reviews_per_second
    seconds = run.experiment.training.epochs * epoch + test / speed.validation_reviews_per_second
    if features and speed.features_reviews_per_second is not None:
        seconds += (train + val + test) / speed.features_reviews_per_second
    return seconds


def _cache_bytes(firsts: Sequence[RunConfig], speeds: dict[str, Throughput], workspace: Workspace) -> float:
    """Downloads, tokens and features of all experiments, and the checkpoints of the largest."""
    if not firsts:
        return 0.0
    data = firsts[0].data
    reviews = sum(part_sizes(data))
    fetched = data.source == "aclimdb" and workspace.data is None and not official_archive(workspace.cache_dir).exists()
    # One store for each tokenizer: two of words differ by their vocabulary alone.
    cut = {run.experiment_name: (run.experiment.tokens.vocab_size, run.experiment.tokens.min_count) for run in firsts}
    tokens = {(cut[name], speed.tokens_per_review) for name, speed in speeds.items()}
    return (
        (OFFICIAL_ARCHIVE_BYTES if fetched else 0)
        + sum(count for _, count in tokens) * reviews * TOKEN_BYTES
        + sum(speed.feature_bytes for speed in speeds.values()) * reviews
        + max(speed.parameters_trainable for speed in speeds.values()) * FLOAT_BYTES * CHECKPOINT_COPIES
    )
