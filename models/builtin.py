"""The models that come with the suite. Importing this imports no torch: each builder imports what it builds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from models.configs import AttentionConfig, BowConfig, FinetunedBertConfig, FrozenBertConfig, RecurrentConfig
from models.registry import ModelContext, register_model

if TYPE_CHECKING:
    from data_pipeline.batch import Batch
    from models.classifier import Classifier


@register_model("rnn", config=RecurrentConfig, tokenizer="word")
def build_rnn(config: RecurrentConfig, context: ModelContext) -> Classifier:
    """Elman's recurrent network."""
    from models.recurrent import RecurrentClassifier

    return RecurrentClassifier("rnn", config, context.vocab_size, context.num_classes)


@register_model("lstm", config=RecurrentConfig, tokenizer="word")
def build_lstm(config: RecurrentConfig, context: ModelContext) -> Classifier:
    """Long short-term memory."""
    from models.recurrent import RecurrentClassifier

    return RecurrentClassifier("lstm", config, context.vocab_size, context.num_classes)


@register_model("lstm-attention", config=AttentionConfig, tokenizer="word")
def build_lstm_attention(config: AttentionConfig, context: ModelContext) -> Classifier:
    """Long short-term memory, its states pooled by attention."""
    from models.recurrent import RecurrentClassifier

    return RecurrentClassifier("lstm", config, context.vocab_size, context.num_classes)


def standardize_features(model: Classifier, batches: Iterable[Batch]) -> None:
    """Teach the head of `bert-frozen` its features' scale; does nothing where `standardize` is off."""
    from models.bert import learn_standardization

    learn_standardization(model, batches)


@register_model(
    "bert-frozen",
    config=FrozenBertConfig,
    tokenizer="wordpiece",
    cache_features=True,
    prepare=standardize_features,
)
def build_frozen_bert(config: FrozenBertConfig, context: ModelContext) -> Classifier:
    """A head on an encoder that does not change."""
    from models.bert import BertClassifier

    return BertClassifier(config, context)


@register_model("bert-finetuned", config=FinetunedBertConfig, tokenizer="wordpiece")
def build_finetuned_bert(config: FinetunedBertConfig, context: ModelContext) -> Classifier:
    """Encoder and head trained together."""
    from models.bert import BertClassifier

    return BertClassifier(config, context)


def count_ngrams(model: Classifier, batches: Iterable[Batch]) -> None:
    """Make the n-grams of the training reviews the features of `bow`."""
    from models.bow import learn_ngrams

    learn_ngrams(model, batches)


@register_model("bow", config=BowConfig, tokenizer="word", prepare=count_ngrams, baseline=True)
def build_bow(config: BowConfig, context: ModelContext) -> Classifier:
    """Logistic regression on words and pairs of words."""
    from models.bow import BagOfNgrams

    return BagOfNgrams(config, context.vocab_size, context.num_classes)
