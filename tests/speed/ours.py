"""How many reviews a second our trainer trains, as one JSON line: the counterpart of the plain recipe.

    python tests/speed/ours.py bert-finetuned [--reviews 640] [--set training.batch_size=16]

Embedded reviews in an order of the seed; one epoch through pipeline and trainer after a warm-up. A run of the benchmark
is started with what benchmark/compute_environment.py says, and so does ratios.py start this.
"""

import json

import torch
from stand import options, stand

from benchmark.environment import peak_memory_mib
from benchmark.training.checkpoint import CheckpointFolder

WARM_UP = 3  # batches


def main() -> None:
    arguments = options(__doc__).parse_args()
    with stand(arguments.model, arguments.reviews, [*arguments.set, "training.epochs=1"]) as made:
        batch_size = made.run.experiment.training.batch_size
        for reviews in (WARM_UP * batch_size, arguments.reviews):
            checkpoints = CheckpointFolder(made.folder / str(reviews), "", {})
            epoch = made.trainer().fit(made.train.first(reviews), made.val, checkpoints).epochs[0]
    print(  # noqa: T201
        json.dumps(
            {
                "model": arguments.model,
                "batch_size": batch_size,
                "threads": torch.get_num_threads(),
                "reviews_per_second": round(arguments.reviews / epoch.train_seconds, 2),
                "train_loss": epoch.train_loss,
                "peak_memory_mib": round(peak_memory_mib()),
            }
        )
    )


if __name__ == "__main__":
    main()
