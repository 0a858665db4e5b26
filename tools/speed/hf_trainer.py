"""transformers' own Trainer at its best CPU setting, as one JSON line: bf16, its length grouping, batch 16.

    pip install accelerate  # which Trainer wants, and we do not
    python tools/speed/hf_trainer.py [--reviews 800]

Its sampler sorts each mega-batch of 50 batches from long to short, so whole mega-batches are timed.
"""

import argparse
import json
import tempfile
import time

import torch
from torch import nn
from transformers import AutoTokenizer, BertModel, DataCollatorWithPadding, Trainer, TrainingArguments

from data_pipeline.config import DataConfig
from data_pipeline.encoder import resolve_encoder
from data_pipeline.load import load_corpus
from data_pipeline.tokenization import clean

BATCH, MEGA = 16, 800  # reviews; the sampler's mega-batch is 50 batches


class Classifier(nn.Module):
    """The same encoder and head as the plain recipe's, attention dropout 0."""

    def __init__(self, folder):
        super().__init__()
        self.bert = BertModel.from_pretrained(folder, add_pooling_layer=False, attention_probs_dropout_prob=0.0)
        self.head = nn.Sequential(nn.Linear(self.bert.config.hidden_size, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, input_ids, attention_mask, labels=None):
        logits = self.head(self.bert(input_ids=input_ids, attention_mask=attention_mask)[0][:, 0])
        return {"loss": nn.functional.cross_entropy(logits.float(), labels), "logits": logits}


class Timed(Trainer):
    """Notes when each step begins."""

    def training_step(self, *arguments, **named):
        self.times = [*getattr(self, "times", []), time.perf_counter()]
        return super().training_step(*arguments, **named)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reviews", type=int, default=MEGA)
    reviews = parser.parse_args().reviews
    torch.manual_seed(2077)
    folder = resolve_encoder().folder
    corpus = load_corpus(DataConfig(train_size=20_000, val_size=64, test_size=64))
    rows = corpus.train[:reviews]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoded = tokenizer([clean(row.text) for row in rows], truncation=True, max_length=256, padding=False)
    data = [
        {"input_ids": ids, "attention_mask": mask, "labels": row.label}
        for ids, mask, row in zip(encoded["input_ids"], encoded["attention_mask"], rows, strict=True)
    ]
    with tempfile.TemporaryDirectory() as output:
        settings = TrainingArguments(
            output,
            per_device_train_batch_size=BATCH,
            num_train_epochs=1,
            learning_rate=5e-5,
            bf16=True,
            use_cpu=True,
            train_sampling_strategy="group_by_length",
            optim="adamw_torch_fused",
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = Timed(
            Classifier(folder), settings, train_dataset=data, data_collator=DataCollatorWithPadding(tokenizer)
        )
        trainer.train()
        seconds = time.perf_counter() - trainer.times[0]
    print(json.dumps({"model": "transformers Trainer", "reviews_per_second": round(reviews / seconds, 2)}))


if __name__ == "__main__":
    main()
