"""The two kinds of BERT classifier, built with the same weights each time."""

import torch

from models.bert import BertClassifier
from models.configs import FinetunedBertConfig, FrozenBertConfig
from models.registry import ModelContext


def frozen(context: ModelContext, **settings: object) -> BertClassifier:
    torch.manual_seed(1)
    return BertClassifier(FrozenBertConfig(name="bert-frozen", **settings), context)


def finetuned(context: ModelContext, **settings: object) -> BertClassifier:
    torch.manual_seed(1)
    settings = {"attention_dropout": 0.0, "hidden_dropout": 0.0} | settings
    return BertClassifier(FinetunedBertConfig(name="bert-finetuned", **settings), context)
