"""What a run read, as MLflow shows it: each part with its digest, its source and how it was split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from benchmark.tracking.records import DatasetRecord
from data_pipeline.config import DataConfig
from data_pipeline.corpus import Corpus
from data_pipeline.review import Review

COLUMNS = (
    {"name": "text", "type": "string", "required": True},
    {"name": "label", "type": "long", "required": True},
)


def dataset_records(corpus: Corpus, config: DataConfig) -> list[DatasetRecord]:
    """One record for each part of the corpus."""
    settings = {key: value for key, value in config.model_dump(mode="json").items() if value is not None}
    source = {"corpus": corpus.name, "corpus_fingerprint": corpus.fingerprint, **settings}
    return [
        DatasetRecord(
            name=f"{corpus.name}, {part}",
            split=part,
            digest=part_digest(reviews),
            source_type=config.source,
            source={**source, "split_fingerprint": corpus.split_fingerprint},
            columns=COLUMNS,
            profile={
                "num_rows": len(reviews),
                "positive": sum(review.label for review in reviews),
                "negative": sum(1 - review.label for review in reviews),
            },
        )
        for part, reviews in corpus.parts.items()
    ]


def part_digest(reviews: Sequence[Review]) -> str:
    """Hash of the reviews' ids, which hash label and text: the same reviews in the same order, the same digest."""
    return hashlib.sha256("\n".join(review.id for review in reviews).encode()).hexdigest()
