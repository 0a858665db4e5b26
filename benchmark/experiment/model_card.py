"""The model card: what a trained model is, how good it was found to be, and what it is not for.

Mitchell et al., "Model Cards for Model Reporting", 2019.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmark.plan.fingerprint import encoder_config
from benchmark.plan.plan import PlannedRun, encoder_name
from data_pipeline.corpus import Corpus

PERCENT = {"test/accuracy": "accuracy", "test/f1": "F1"}
PLAIN = {"test/roc_auc": "ROC-AUC", "test/log_loss": "log loss, nats"}


def model_card(planned: PlannedRun, corpus: Corpus, metrics: Mapping[str, float]) -> str:
    """The card in Markdown, from the run's own facts.

    Args:
        planned: the run.
        corpus: its reviews.
        metrics: `best_epoch`, `best_val_loss`, `best_val_accuracy` and the `test/...` scores.
    """
    sections = {
        planned.config.name: _what_it_is(planned),
        "How to use it": _how_to_use(),
        "Data": _data(planned, corpus),
        "How good it is": _figures(corpus, metrics),
        "Intended use and limits": _limits(planned),
        "Terms": _terms(planned),
    }
    titles = [f"{'##' if number else '#'} {title}" for number, title in enumerate(sections)]
    return "\n\n".join(f"{title}\n\n{text}" for title, text in zip(titles, sections.values(), strict=True)) + "\n"


def _what_it_is(planned: PlannedRun) -> str:
    config = planned.config
    experiment, encoder = config.experiment, encoder_name(config)
    kept = experiment.tokens.truncation.replace("_", " and ")
    reviews = "a review like those it was trained on" if config.data.source == "table" else "an English film review"
    lines = [
        f"Tells whether {reviews} is negative or positive.",
        "",
        f"- Model: `{experiment.model.name}`" + (f", encoder {encoder}" if encoder else ""),
        f"- Reads: the raw text, cut to {experiment.tokens.max_length} tokens ({kept} kept)",
        f"- Gives: a label and the probabilities of both, computed in {_precision(planned)}",
        f"- Made by: seed {config.seed} of experiment `{config.experiment_name}`, profile `{config.profile}`, "
        f"fingerprint `{planned.fingerprint}`",
    ]
    return "\n".join(lines)


def _precision(planned: PlannedRun) -> str:
    name = planned.precision
    return name if name == "fp32" else f"{name} where the hardware does that, else in fp32"


def _how_to_use() -> str:
    return """\
```python
import mlflow
import pandas as pd

model = mlflow.pyfunc.load_model("models:/m-...")  # the id on MLflow's page of this model, or a folder with MLmodel
model.predict(pd.DataFrame({"text": ["A wonderful film."]}))  # label, probability_negative, probability_positive
```

`mlflow models serve -m models:/m-...` answers the same over HTTP. The packages it needs stand in requirements.txt
beside MLmodel. The weights are safetensors and are compared with the hash in model.json before they are used; nothing
is unpickled."""


def _data(planned: PlannedRun, corpus: Corpus) -> str:
    sizes = ", ".join(f"{len(reviews):,} {part}" for part, reviews in corpus.parts.items())
    held_out = "The test part was held out of the corpus: its figures are no official test figures."
    return "\n".join(
        [
            f"{corpus.name}: {sizes} reviews; {corpus.left_out:,} more of the source stand in no part because their",
            f"text is there more than once. {held_out if corpus.held_out_test else ''}".rstrip(),
            "",
            f"- Reviews: fingerprint `{corpus.fingerprint}`",
            f"- Split: seed {planned.config.data.split_seed}, fingerprint `{corpus.split_fingerprint}`",
        ]
    )


def _figures(corpus: Corpus, metrics: Mapping[str, float]) -> str:
    rows = [("val", "accuracy", f"{100 * metrics['best_val_accuracy']:.2f} %")]
    rows.append(("val", "loss, nats", f"{metrics['best_val_loss']:.4f}"))
    rows += [("test", name, f"{100 * metrics[key]:.2f} %") for key, name in PERCENT.items()]
    rows += [("test", name, f"{metrics[key]:.4f}") for key, name in PLAIN.items()]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return (
        f"Epoch {metrics['best_epoch']:.0f} was chosen by the lowest loss on the {len(corpus.val):,} val reviews, and "
        f"scored once on\nthe {len(corpus.test):,} test reviews.\n\n| part | figure | value |\n|:--|:--|--:|\n{table}"
    )


def _limits(planned: PlannedRun) -> str:
    length = planned.config.experiment.tokens.max_length
    return (
        "Meant for comparing models and for teaching. It knows two classes, so a neutral, mixed or foreign text gets "
        f"one of them\nas well; of a review longer than {length} tokens a part is not read; texts of another kind or "
        "language than the\nreviews above were never measured. Not for decisions about people."
    )


def _terms(planned: PlannedRun) -> str:
    lines = ["- The code, carried beside the weights: MIT."]
    if planned.config.data.source == "table":
        lines.append("- The reviews are the trainer's own table; ask there for their terms.")
    else:
        lines.append(
            "- The reviews: Large Movie Review Dataset (Maas et al., 2011), written by IMDB's users and published for\n"
            "  research; none of them is in this model's files."
        )
    encoder = encoder_config(planned.config)
    if encoder is not None and encoder.embedded:
        lines.append(f"- The encoder {encoder_name(planned.config)}: Apache 2.0.")
    elif encoder is not None:
        lines.append(f"- The encoder {encoder_name(planned.config)}: see the terms of its publisher.")
    return "\n".join(lines)
