"""The files with which a finished run can be used: its network, its tokenizer and its model card."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from benchmark.experiment.model_card import model_card
from benchmark.plan.fingerprint import encoder_config
from benchmark.plan.plan import PlannedRun
from data_pipeline.corpus import Corpus
from data_pipeline.encoder import CONFIG_FILE
from data_pipeline.pipeline import VOCABULARY_FILE
from data_pipeline.tokenization import Tokenizer, WordTokenizer
from data_pipeline.tokenizer_files import WORDPIECE_FILES
from models.classifier import Classifier
from models.registry import get_model_spec
from models.saved import CARD_FILE, ENCODER_DIR, PLUGIN_FILE, SavedModel, save_classifier


def write_bundle(
    folder: Path,
    planned: PlannedRun,
    *,
    model: Classifier,
    tokenizer: Tokenizer,
    encoder_dir: Path | None,
    corpus: Corpus,
    metrics: Mapping[str, float],
) -> None:
    """Write everything that `served_model.py` reads, and a card that says what it is.

    Args:
        folder: where to; it exists.
        planned: the run.
        model: the network at its best epoch.
        tokenizer: cut the run's reviews.
        encoder_dir: folder of the encoder that the model was made from, None without one.
        corpus: the run's reviews.
        metrics: the finished run's.
    """
    experiment = planned.config.experiment
    if isinstance(tokenizer, WordTokenizer):
        tokenizer.save(folder / VOCABULARY_FILE)
    elif encoder_dir is not None:
        _copy_encoder_files(encoder_dir, folder / ENCODER_DIR)
    plugin = get_model_spec(experiment.model.name).plugin
    if plugin is not None:
        shutil.copyfile(plugin, folder / PLUGIN_FILE)
    card = model_card(planned, corpus, metrics)
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    saved = SavedModel(
        experiment=planned.config.experiment_name,
        # Shape and weights of the encoder are here; its path is one of the machine that trained.
        model=experiment.model.model_dump(mode="json", exclude={"encoder"} if encoder_config(planned.config) else None),
        tokens=experiment.tokens.model_dump(mode="json"),
        tokenizer=tokenizer.kind,
        tokenizer_fingerprint=tokenizer.fingerprint,
        vocab_size=tokenizer.vocab_size,
        eval_batch_size=experiment.training.eval_batch_size,
        precision=planned.precision,
    )
    save_classifier(folder, saved, model)


def _copy_encoder_files(source: Path, folder: Path) -> None:
    """The encoder's shape and tokenizer, without its weights."""
    folder.mkdir()
    for name in (CONFIG_FILE, *WORDPIECE_FILES):
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
