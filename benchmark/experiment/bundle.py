"""Write the bundle with which a finished run is used: network, tokenizer, plugin and model card."""

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
    """Write all files that `SentimentClassifier` reads, and the model card, into an existing folder.

    The model is at its best epoch. Of `encoder_dir` config and tokenizer are copied: the model has the weights.
    """
    config, experiment = planned.config, planned.config.experiment
    if isinstance(tokenizer, WordTokenizer):
        tokenizer.save(folder / VOCABULARY_FILE)
    elif encoder_dir is not None:
        (folder / ENCODER_DIR).mkdir()
        for source in (encoder_dir / name for name in (CONFIG_FILE, *WORDPIECE_FILES)):
            if source.is_file():
                shutil.copyfile(source, folder / ENCODER_DIR / source.name)
    if (plugin := get_model_spec(experiment.model.name).plugin) is not None:
        shutil.copyfile(plugin, folder / PLUGIN_FILE)
    (folder / CARD_FILE).write_text(model_card(planned, corpus, metrics), encoding="utf-8")
    saved = SavedModel(
        experiment=config.experiment_name,
        # The encoder's shape and weights are in the bundle; its path is one of the machine that trained.
        model=experiment.model.model_dump(mode="json", exclude={"encoder"} if encoder_config(config) else None),
        tokens=experiment.tokens.model_dump(mode="json"),
        tokenizer=tokenizer.kind,
        tokenizer_fingerprint=tokenizer.fingerprint,
        vocab_size=tokenizer.vocab_size,
        eval_batch_size=experiment.training.eval_batch_size,
        precision=planned.precision,
    )
    save_classifier(folder, saved, model)
