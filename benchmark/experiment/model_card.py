"""The model card: what a trained model is, how good it is, and what it is not for.

Mitchell et al., "Model Cards for Model Reporting", 2019.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmark.plan.encoder import encoder_name
from benchmark.plan.fingerprint import encoder_config
from benchmark.plan.plan import PlannedRun
from data_pipeline.corpus import Corpus

FIGURES = (
    ("val", "accuracy", "best_val_accuracy", ".2%"),
    ("val", "loss, nats", "best_val_loss", ".4f"),
    ("test", "accuracy", "test/accuracy", ".2%"),
    ("test", "F1", "test/f1", ".2%"),
    ("test", "ROC-AUC", "test/roc_auc", ".4f"),
    ("test", "log loss, nats", "test/log_loss", ".4f"),
)


def model_card(planned: PlannedRun, corpus: Corpus, metrics: Mapping[str, float]) -> str:
    """Write the card in Markdown; `metrics` has `best_epoch`, the best epoch's val figures and the test scores."""
    config, tokens = planned.config, planned.config.experiment.tokens
    encoder, own_table = encoder_name(config), config.data.source == "table"
    precision = planned.precision + (" where the hardware has it, else fp32" if planned.precision != "fp32" else "")
    sizes = ", ".join(f"{len(reviews):,} {part}" for part, reviews in corpus.parts.items())
    held_out = " The test part was held out: its figures are no official test figures." if corpus.held_out_test else ""
    figures = "\n".join(
        f"| {part} | {name} | {metrics[key]:{form}} |".replace("%", " %") for part, name, key, form in FIGURES
    )
    return f"""\
# {config.name}

Labels {"reviews like those it was trained on" if own_table else "English film reviews"} as negative or positive.

- Model: `{config.experiment.model.name}`{f", encoder {encoder}" if encoder else ""}
- Input: the raw text, cut to {tokens.max_length} tokens ({tokens.truncation.replace("_", " and ")} kept)
- Output: a label and the probability of each label, computed in {precision}
- Made by: seed {config.seed} of experiment `{config.experiment_name}`, profile `{config.profile}`, \
fingerprint `{planned.fingerprint}`

## How to use it

```python
import mlflow

model = mlflow.pyfunc.load_model("models:/m-...")  # `list` and MLflow's page show the id; or a folder with MLmodel
model.predict(["A wonderful film."])  # label, probability_negative, probability_positive
```

A table with a column `text` is taken too, and its index kept; a missing text gets null. `mlflow models serve -m
models:/m-... --env-manager local` gives the same answers over HTTP. requirements.txt beside MLmodel lists the
packages it needs. The weights are safetensors, checked against the hash in model.json; nothing is unpickled.

## Data

{corpus.name}: {sizes} reviews; {corpus.left_out:,} duplicates are left out.{held_out}

- Reviews: fingerprint `{corpus.fingerprint}`
- Split: seed {config.data.split_seed}, fingerprint `{corpus.split_fingerprint}`

## How good it is

Epoch {metrics["best_epoch"]:.0f} had the lowest loss on the {len(corpus.val):,} val reviews. It was scored once on the
{len(corpus.test):,} test reviews.

| part | figure | value |
|:--|:--|--:|
{figures}

## Intended use and limits

For comparing models and for teaching; not for decisions about people. The model knows two labels: a neutral, mixed or
foreign text gets one of them too. Of a review longer than {tokens.max_length} tokens the rest is not read. Texts of
another kind or language than the reviews above were never measured.

## Terms

{_terms(planned)}
"""


def _terms(planned: PlannedRun) -> str:
    lines = ["- The code beside the weights: MIT."]
    if planned.config.data.source == "table":
        lines.append("- The reviews: the trainer's own table; ask there for their terms.")
    else:
        lines.append(
            "- The reviews: Large Movie Review Dataset (Maas et al., 2011), written by IMDB's users and published for\n"
            "  research; the model's files hold no review."
        )
    encoder = encoder_config(planned.config)
    if encoder is not None:
        terms = "Apache 2.0" if encoder.embedded else "see its publisher's terms"
        lines.append(f"- The encoder {encoder_name(planned.config)}: {terms}.")
    return "\n".join(lines)
