"""From reviews to batches: tokenise what is asked for, once, and hand out batches of it.

B reviews in the batch, T tokens of the longest one, N reviews in the split.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from data_pipeline.batch import Batch, evaluation_order, pad_token_ids, training_order
from data_pipeline.cache import cached_entry
from data_pipeline.config import TokensConfig, Truncation
from data_pipeline.corpus import Corpus
from data_pipeline.review import Review
from data_pipeline.token_store import TOKEN_STORE_VERSION, TokenStore, cached_tokens, token_key
from data_pipeline.tokenization import Tokenizer, TokenizerKind, WordPieceTokenizer, WordTokenizer

VOCABULARY_FILE = "itos.json"


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One split of N reviews, ready to batch.

    Attributes:
        ids: the N reviews' stable ids.
        labels: (N,) int64, 0 negative, 1 positive.
        token_counts: (N,) int64, tokens of each whole review, special tokens included.
        max_length: tokens kept of a review, special tokens included.
        truncation: which part of a longer review is kept.
        features: (N, ...) what a frozen encoder made of the reviews, or None.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    token_counts: np.ndarray
    max_length: int
    truncation: Truncation
    _tokens: TokenStore | Sequence[np.ndarray]
    _tokenizer: Tokenizer
    features: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> np.ndarray:
        """(N,) int64, tokens of each review after truncation."""
        lengths: np.ndarray = np.minimum(self.token_counts, self.max_length)
        return lengths

    @property
    def truncated(self) -> np.ndarray:
        """(N,) bool, True where a review lost a part."""
        return self.token_counts > self.max_length

    def first(self, count: int) -> "Part":
        """The first `count` reviews of the part, or all where there are fewer."""
        return replace(
            self,
            ids=self.ids[:count],
            labels=self.labels[:count],
            token_counts=self.token_counts[:count],
            features=None if self.features is None else self.features[:count],
        )

    def with_features(self, features: np.ndarray) -> "Part":
        """The same part, whose batches carry these (N, ...) features instead of token ids.

        Raises:
            ValueError: there are not N of them.
        """
        if len(features) != len(self):
            raise ValueError(f"{len(features)} rows of features for {len(self)} reviews")
        return replace(self, features=features)

    def batch(self, positions: np.ndarray) -> Batch:
        """The reviews at these (B,) positions: input_ids (B, T), or (B, 0) beside float32 features (B, ...)."""
        features = None if self.features is None else self.features[positions].astype(np.float32)
        return Batch(
            ids=tuple(self.ids[position] for position in positions),
            labels=torch.from_numpy(self.labels[positions]),
            input_ids=self._input_ids(positions)
            if features is None
            else torch.empty((len(positions), 0), dtype=torch.int64),
            lengths=torch.from_numpy(np.minimum(self.token_counts[positions], self.max_length)),
            features=None if features is None else torch.from_numpy(features),
        )

    def training_batches(
        self, batch_size: int, seed: int, epoch: int, *, length_grouping: bool, skip: int = 0
    ) -> Iterator[Batch]:
        """One epoch's batches but the first `skip`, see `training_order`; epochs are counted from 1."""
        order = training_order(self.lengths, batch_size, seed, epoch, length_grouping=length_grouping)
        return map(self.batch, islice(order, skip, None))

    def evaluation_batches(self, batch_size: int) -> Iterator[Batch]:
        """Every review once, from the shortest to the longest."""
        return map(self.batch, evaluation_order(self.lengths, batch_size))

    def _input_ids(self, positions: np.ndarray) -> torch.Tensor:
        """(B, T) int64: special tokens around what truncation keeps of each review."""
        prefix = np.array(self._tokenizer.prefix_ids, dtype=np.int32)
        suffix = np.array(self._tokenizer.suffix_ids, dtype=np.int32)
        room = self.max_length - len(prefix) - len(suffix)
        rows = [
            np.concatenate([prefix, *kept_tokens(self._tokens[position], room, self.truncation), suffix])
            for position in positions
        ]
        return pad_token_ids(rows, self._tokenizer.pad_id)


def token_spans(text: str, tokenizer: Tokenizer, tokens: TokensConfig) -> np.ndarray:
    """(T, 2) int64: start and end, in the raw text, of each token that a network reads of it.

    Special tokens before it are (0, 0), those after it (its length, its length). T is that of `part_of_texts`.
    """
    before, after = len(tokenizer.prefix_ids), len(tokenizer.suffix_ids)
    kept = kept_tokens(tokenizer.spans(text), tokens.max_length - before - after, tokens.truncation)
    return np.concatenate([np.zeros((before, 2), np.int64), *kept, np.full((after, 2), len(text))])


def kept_tokens(row: np.ndarray, room: int, truncation: Truncation) -> tuple[np.ndarray, np.ndarray]:
    """What is kept of a review: two slices of its tokens, `room` tokens together where it has more.

    `head_tail` keeps the first quarter, rounded up, and the last three: 128 and 382 of 510, the best of the cuts that
    Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?", tried on IMDB.
    """
    head = {"head": room, "tail": 0, "head_tail": -(-room // 4)}[truncation]
    lost = max(0, len(row) - room)
    return row[:head], row[head + lost :]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """What a run may see of the corpus.

    Attributes:
        tokenizer: cut the reviews, and can cut new ones.
        parts: the parts asked for, by name.
    """

    tokenizer: Tokenizer
    parts: dict[str, Part]


def build_data(
    corpus: Corpus,
    tokens: TokensConfig,
    tokenizer_kind: TokenizerKind,
    encoder_dir: Path | None,
    cache_dir: Path,
    *,
    parts: Sequence[str] = ("train", "val", "test"),
) -> Data:
    """Tokenise the named parts of a corpus, or find them in the cache.

    A part that is not named is not tokenised and cannot be reached from the result. (A word vocabulary is made from the
    train part, whichever parts are named.)

    Args:
        corpus: the split reviews.
        tokens: lengths and vocabulary.
        tokenizer_kind: `word` or `wordpiece`.
        encoder_dir: folder with the word piece tokenizer; words need none.
        cache_dir: root of the cache, made if it is missing.
        parts: of `train`, `val`, `test`.

    Raises:
        DataError: the encoder's folder has no usable tokenizer.
    """
    tokenizer: Tokenizer
    if tokenizer_kind == "word":
        tokenizer = _word_tokenizer(corpus.train, tokens, cache_dir)
    elif encoder_dir is None:
        raise ValueError("word pieces need the folder of an encoder")
    else:
        tokenizer = WordPieceTokenizer(encoder_dir)
    return Data(tokenizer, {name: _part(corpus.parts[name], tokenizer, tokens, cache_dir) for name in parts})


def part_of_texts(texts: Sequence[str], tokenizer: Tokenizer, tokens: TokensConfig) -> Part:
    """New raw texts, tokenised now and kept in memory: cut, framed and batched as those of the corpus are.

    Args:
        texts: N raw texts; their ids are their positions, and the labels, which nobody knows, are zeros.
        tokenizer: that of the run.
        tokens: the run's settings.
    """
    rows = list(tokenizer.encode(texts))
    ids = tuple(map(str, range(len(texts))))
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    return _tokenised(ids, np.zeros_like(lengths), rows, lengths, tokenizer=tokenizer, tokens=tokens)


def _part(reviews: Sequence[Review], tokenizer: Tokenizer, tokens: TokensConfig, cache_dir: Path) -> Part:
    ids = tuple(review.id for review in reviews)
    key = token_key(tokenizer.fingerprint, ids)
    store = cached_tokens(cache_dir, key, [review.text for review in reviews], tokenizer.encode)
    labels = np.array([review.label for review in reviews], dtype=np.int64)
    return _tokenised(ids, labels, store, store.lengths, tokenizer=tokenizer, tokens=tokens)


def _tokenised(
    ids: tuple[str, ...],
    labels: np.ndarray,
    rows: TokenStore | Sequence[np.ndarray],
    lengths: np.ndarray,
    *,
    tokenizer: Tokenizer,
    tokens: TokensConfig,
) -> Part:
    """A part out of N rows of token ids and their (N,) lengths, special tokens not yet among them."""
    return Part(
        ids=ids,
        labels=labels,
        token_counts=lengths + len(tokenizer.prefix_ids) + len(tokenizer.suffix_ids),
        max_length=tokens.max_length,
        truncation=tokens.truncation,
        _tokens=rows,
        _tokenizer=tokenizer,
    )


def _word_tokenizer(train: Sequence[Review], tokens: TokensConfig, cache_dir: Path) -> WordTokenizer:
    """The vocabulary of the train part, counted now if it never was."""
    ids = [review.id for review in train]
    texts = [review.text for review in train]
    header = [f"vocabulary {TOKEN_STORE_VERSION}", str(tokens.vocab_size), str(tokens.min_count)]
    key = hashlib.sha256("\n".join([*header, *ids]).encode()).hexdigest()

    def build(folder: Path) -> None:
        tokenizer, rows = WordTokenizer.fit_encode(texts, tokens.vocab_size, tokens.min_count)
        tokenizer.save(folder / VOCABULARY_FILE)
        # Counting has split every train review already: its tokens are kept, so nothing is tokenised twice.
        cached_tokens(cache_dir, token_key(tokenizer.fingerprint, ids), texts, lambda _: rows)

    return cached_entry(
        cache_dir / "vocabularies" / key, build, lambda folder: WordTokenizer.load(folder / VOCABULARY_FILE)
    )
