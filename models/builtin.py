"""The models of the suite. Importing this imports no torch: each builder imports what it builds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from models.configs import (
    AttentionConfig,
    BowConfig,
    FinetunedBertConfig,
    FrozenBertConfig,
    RecurrentConfig,
    TextCnnConfig,
)
from models.registry import ModelContext, register_model

if TYPE_CHECKING:
    from data_pipeline.batch import Batch
    from models.classifier import Classifier


def learn(model: Any, batches: Iterable[Batch]) -> None:
    """Let the model learn from the train part what it needs before training: n-grams, or its features' scale."""
    model.learn(batches)


@register_model("lstm-attention", config=AttentionConfig, tokenizer="word")
@register_model("lstm", config=RecurrentConfig, tokenizer="word")
@register_model("gru", config=RecurrentConfig, tokenizer="word")
@register_model("rnn", config=RecurrentConfig, tokenizer="word")
def build_recurrent(config: RecurrentConfig | AttentionConfig, context: ModelContext) -> Classifier:
    """Build Elman's recurrent network, a GRU, or an LSTM."""
    from models.recurrent import CELLS, RecurrentClassifier

    cell = config.name if config.name in CELLS else "lstm"
    return RecurrentClassifier(cell, config, context)


@register_model("text-cnn", config=TextCnnConfig, tokenizer="word")
def build_text_cnn(config: TextCnnConfig, context: ModelContext) -> Classifier:
    """Build a convolutional network over word vectors."""
    from models.text_cnn import TextCnn

    return TextCnn(config, context)


@register_model("bert-finetuned", config=FinetunedBertConfig, tokenizer="wordpiece")
@register_model("bert-frozen", config=FrozenBertConfig, tokenizer="wordpiece", cache_features=True, prepare=learn)
def build_bert(config: FrozenBertConfig | FinetunedBertConfig, context: ModelContext) -> Classifier:
    """Build a head on an encoder that is frozen or learns with it."""
    from models.bert import BertClassifier

    return BertClassifier(config, context)


@register_model("bow", config=BowConfig, tokenizer="word", prepare=learn, baseline=True)
def build_bow(config: BowConfig, context: ModelContext) -> Classifier:
    """Build a logistic regression on words and pairs of words."""
    from models.bow import BagOfNgrams

    return BagOfNgrams(config, context.vocab_size, context.num_classes)
