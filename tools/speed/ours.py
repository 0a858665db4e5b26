"""How many reviews a second our trainer trains, as one JSON line: the counterpart of the plain recipe.

    python tools/speed/ours.py bert-finetuned [--reviews 640] [--set training.batch_size=16]

Embedded reviews in an order of the seed; after a warm-up one epoch through pipeline and trainer, or, for a frozen BERT,
its one pass. A run of the benchmark is started with what benchmark/launch/process.py says, and so does ratios.py
start this.
"""

import json
import time
from collections import deque

import numpy as np
import torch
from stand import DEVICE, Stand, options, stand

from benchmark.experiment.features import feature_shape, feature_writer
from benchmark.training.checkpoint import CheckpointFolder
from benchmark.training.environment import peak_memory_mib
from data_pipeline.pipeline import Part

WARM_UP = 3  # batches


def epoch_seconds(made: Stand, part: Part) -> float:
    """Seconds of one epoch."""
    checkpoints = CheckpointFolder(made.folder / str(len(part)), "", {})
    return made.trainer().fit(part, made.val, checkpoints).epochs[0].train_seconds


def pass_seconds(made: Stand, part: Part) -> float:
    """Seconds of a frozen encoder's pass."""
    trainer = made.trainer()
    fill = feature_writer(
        made.model,
        part,
        trainer.config.eval_batch_size,
        device=DEVICE,
        precision=trainer.precision,
        progress=trainer.progress,
    )
    array = np.empty((len(part), *feature_shape(made.model, part, DEVICE)), np.float16)
    started = time.perf_counter()
    deque(fill(array, 0), maxlen=0)
    return time.perf_counter() - started


def main() -> None:
    arguments = options(__doc__).parse_args()
    measure = pass_seconds if arguments.model == "bert-frozen" else epoch_seconds
    with stand(arguments.model, arguments.reviews, [*arguments.set, "training.epochs=1"]) as made:
        batch_size = made.run.experiment.training.batch_size
        measure(made, made.train.first(WARM_UP * batch_size))
        seconds = measure(made, made.train)
    print(
        json.dumps(
            {
                "model": arguments.model,
                "batch_size": batch_size,
                "threads": torch.get_num_threads(),
                "reviews_per_second": round(arguments.reviews / seconds, 2),
                "peak_memory_mib": round(peak_memory_mib()),
            }
        )
    )


if __name__ == "__main__":
    main()
