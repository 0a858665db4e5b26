"""Val loss, one setting after the other: does what makes training quick make it worse?

    python tools/speed/quality.py bert-finetuned [--reviews 2000] [--epochs 1] [--set tokens.max_length=128]

The first row is training as people write it by hand: fp32, attention dropout 0.1, batches of any lengths, torch's own
attention, dropout and recurrence. Each row adds a step to the one above. Three seeds, val of 1,000 reviews. Prints
Markdown.
"""

import statistics
from functools import partial
from unittest import mock

from stand import options, stand
from torch import nn

from benchmark.training.checkpoint import CheckpointFolder

SEEDS, VAL = (2077, 2078, 2079), 1000
PLAIN = ["training.length_grouping=false", "training.precision=fp32"]
STEPS = {
    "bert-finetuned": [
        ("plain", ["bert-finetuned.model.attention_dropout=0.1", *PLAIN]),
        ("precision: bf16, length_grouping: true", ["training.precision=bf16", "training.length_grouping=true"]),
        ("attention_dropout: 0.0", ["bert-finetuned.model.attention_dropout=0.0"]),
        ("our attention and dropout, [CLS] alone in the last layer", []),
    ],
    "recurrent": [
        ("plain", PLAIN),
        ("precision: bf16", ["training.precision=bf16"]),
        ("length_grouping: true", ["training.length_grouping=true"]),
        ("our dropout and recurrence", []),
    ],
}


def torchs_own():
    """Inside, networks are built of torch's own parts."""
    return [
        mock.patch("models.pretrained.ATTENTION", "sdpa"),
        mock.patch("models.pretrained.replace_dropout"),
        mock.patch("models.bert.keep_first_token"),
        mock.patch("models.recurrent.Dropout", nn.Dropout),
        mock.patch.dict("models.recurrent.CELLS", rnn=partial(nn.RNN, batch_first=True)),
    ]


def trained(model, reviews, sets, seed):
    """Lowest val loss and its accuracy."""
    with stand(model, reviews, sets, val_reviews=VAL, seed=seed) as made:
        checkpoints = CheckpointFolder(made.folder / "checkpoints", "", {})
        fit = made.trainer().fit(made.train, made.val, checkpoints)
    best = fit.epochs[fit.best_epoch - 1]
    return best.val_loss, 100 * best.val_accuracy


def main() -> None:
    parser = options(__doc__)
    parser.set_defaults(reviews=2000)
    parser.add_argument("--epochs", type=int, default=1)
    arguments = parser.parse_args()
    sets, own = [*arguments.set, f"training.epochs={arguments.epochs}"], torchs_own()
    print("| setting | val loss, mean | by seed | val accuracy, % |\n|:--|--:|:--|--:|")
    for patch in own:
        patch.start()
    for name, added in STEPS.get(arguments.model, STEPS["recurrent"]):
        if name.startswith("our"):
            for patch in own:
                patch.stop()
        sets += added
        scores = [trained(arguments.model, arguments.reviews, sets, seed) for seed in SEEDS]
        losses, accuracies = zip(*scores, strict=True)
        print(
            f"| {name} | {statistics.mean(losses):.3f} | {', '.join(f'{loss:.3f}' for loss in losses)} | "
            f"{statistics.mean(accuracies):.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
