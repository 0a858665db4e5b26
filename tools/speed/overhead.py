"""What we add around the training loop, as a share of a bare loop over the same batches.

    python tools/speed/overhead.py lstm [--reviews 22000] [--turns 5]

Ours: progress in lines, checks for what is not finite, the epoch's checkpoint, its metrics in MLflow on sqlite, with
MLflow's system metrics sampled beside it. Bare: forward, loss, backward, clip, step. Both in one process, in turn.
"""

import contextlib
import io
import statistics
import time

import torch
from stand import DEVICE, options, stand
from torch import nn

from benchmark.tracking.store import TrackingStore
from benchmark.training.checkpoint import CheckpointFolder
from benchmark.training.progress import Progress
from models.precision import autocast


def bare(trainer, part):
    """Seconds of one epoch without anything around it."""
    config, parameters = trainer.config, [p for group in trainer.optimizer.param_groups for p in group["params"]]
    trainer.model.train()
    started = time.perf_counter()
    for batch in part.training_batches(config.batch_size, trainer.seed, 1, length_grouping=config.length_grouping):
        with autocast(trainer.precision, DEVICE):
            logits = trainer.model(batch)
        nn.functional.cross_entropy(logits.float(), batch.labels).backward()
        nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
        trainer.optimizer.step()
        trainer.optimizer.zero_grad()
    return time.perf_counter() - started


def ours(made, store, name):
    """Seconds of the same epoch as a run does it, validation left out."""
    tracker = store.start_run("full", name, {})
    checkpoints = CheckpointFolder(made.folder / name, "", {})
    trainer = made.trainer(Progress(io.StringIO()))
    started = time.perf_counter()
    with tracker.system_metrics():
        fit = trainer.fit(
            made.train, made.val, checkpoints, lambda epoch: tracker.log_metrics(epoch.metrics(), epoch.epoch)
        )
    return time.perf_counter() - started - fit.epochs[0].val_seconds


def main() -> None:
    parser = options(__doc__)
    parser.set_defaults(reviews=22_000)
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    with stand(arguments.model, arguments.reviews, [*arguments.set, "training.epochs=1"]) as made:
        store = TrackingStore(f"sqlite:///{made.folder}/mlflow.db", made.folder)
        with contextlib.chdir(made.folder):  # where MLflow would put artifacts
            bare(made.trainer(), made.train.first(200))
            shares = []
            for turn in range(arguments.turns):
                plain = bare(made.trainer(), made.train)
                shares.append(ours(made, store, f"turn {turn}") / plain - 1)
    print(
        f"{arguments.model}: {100 * statistics.median(shares):+.1f} % "
        f"({100 * min(shares):+.1f} to {100 * max(shares):+.1f} in {len(shares)} turns), "
        f"{torch.get_num_threads()} threads"
    )


if __name__ == "__main__":
    main()
