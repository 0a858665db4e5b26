"""From reviews to batches: tokenise each part once, and batch it.

B reviews in the batch, T tokens of the longest one, N reviews in the split.
"""

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
from data_pipeline.files import hash_lines
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
        features: (N, ...) a frozen encoder's features of the reviews, or None.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    token_counts: np.ndarray
    max_length: int
    truncation: Truncation
    _tokens: TokenStore
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
        """(N,) bool, True where a review is truncated."""
        return self.token_counts > self.max_length

    @property
    def unknown_share(self) -> float:
        """Share of the whole reviews' tokens that the vocabulary lacks, 0 to 1; special tokens do not count."""
        return float(self._is_unknown.mean())

    @property
    def unreadable(self) -> int:
        """Number of reviews without any known token: empty ones, and those whose words are all unknown."""
        return int(np.logical_and.reduceat(self._is_unknown, self._tokens.offsets[: len(self)]).sum())

    @property
    def _is_unknown(self) -> np.ndarray:
        tokens = self._tokens.tokens[: self._tokens.offsets[len(self)]]
        return np.asarray(tokens == self._tokenizer.unk_id)

    def first(self, count: int) -> "Part":
        """Return the first `count` reviews of the part, or all where there are fewer."""
        return replace(
            self,
            ids=self.ids[:count],
            labels=self.labels[:count],
            token_counts=self.token_counts[:count],
            features=None if self.features is None else self.features[:count],
        )

    def with_features(self, features: np.ndarray) -> "Part":
        """Return the same part, whose batches carry these (N, ...) features instead of token ids."""
        assert len(features) == len(self), f"{len(features)} rows of features for {len(self)} reviews"
        return replace(self, features=features)

    def batch(self, positions: np.ndarray) -> Batch:
        """Return the reviews at these (B,) positions: input_ids (B, T), or (B, 0) beside float32 features (B, ...)."""
        if self.features is None:
            input_ids, features = self._input_ids(positions), None
        else:
            input_ids = torch.empty((len(positions), 0), dtype=torch.int64)
            features = torch.from_numpy(self.features[positions].astype(np.float32))
        return Batch(
            ids=tuple(self.ids[position] for position in positions),
            labels=torch.from_numpy(self.labels[positions]),
            input_ids=input_ids,
            lengths=torch.from_numpy(np.minimum(self.token_counts[positions], self.max_length)),
            features=features,
        )

    def training_batches(
        self, batch_size: int, seed: int, epoch: int, *, length_grouping: bool, skip: int = 0
    ) -> Iterator[Batch]:
        """Yield one epoch's batches but the first `skip`, see `training_order`; epochs are counted from 1."""
        order = training_order(self.lengths, batch_size, seed, epoch, length_grouping=length_grouping)
        return map(self.batch, islice(order, skip, None))

    def evaluation_batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield every review once, from the shortest to the longest."""
        return map(self.batch, evaluation_order(self.lengths, batch_size))

    def _input_ids(self, positions: np.ndarray) -> torch.Tensor:
        """Put the special tokens around the kept tokens of each review: (B, T) int64."""
        prefix = np.array(self._tokenizer.prefix_ids, dtype=np.int32)
        suffix = np.array(self._tokenizer.suffix_ids, dtype=np.int32)
        room = self.max_length - len(prefix) - len(suffix)
        rows = [
            np.concatenate([prefix, *kept_tokens(self._tokens[position], room, self.truncation), suffix])
            for position in positions
        ]
        return pad_token_ids(rows, self._tokenizer.pad_id)


def token_spans(text: str, tokenizer: Tokenizer, tokens: TokensConfig) -> np.ndarray:
    """Return start and end, in the raw text, of each token that a network reads: (T, 2) int64.

    Special tokens before it are (0, 0), those after it (its length, its length). T is that of `part_of_texts`.
    """
    before, after = len(tokenizer.prefix_ids), len(tokenizer.suffix_ids)
    kept = kept_tokens(tokenizer.spans(text), tokens.max_length - before - after, tokens.truncation)
    return np.concatenate([np.zeros((before, 2), np.int64), *kept, np.full((after, 2), len(text))])


def kept_tokens(row: np.ndarray, room: int, truncation: Truncation) -> tuple[np.ndarray, np.ndarray]:
    """Truncate a review to `room` tokens, as two slices of its tokens.

    `head_tail` keeps the first quarter, rounded up, and the last three: 128 and 382 of 510, the best of the cuts that
    Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?", tried on IMDB.
    """
    head = {"head": room, "tail": 0, "head_tail": -(-room // 4)}[truncation]
    lost = max(0, len(row) - room)
    return row[:head], row[head + lost :]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """What a run may see of the corpus: the tokenizer, and the parts asked for by name."""

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

    A part that is not named is not tokenised and cannot be reached from the result. A word vocabulary is made from the
    train part, whichever parts are named.

    `encoder_dir` has the word piece tokenizer; words need none.

    Raises:
        DataError: the encoder's folder has no usable tokenizer.
    """
    if tokenizer_kind == "word":
        tokenizer: Tokenizer = _word_tokenizer(corpus.train, tokens, cache_dir)
    else:
        assert encoder_dir is not None, "word pieces need the folder of an encoder"
        tokenizer = WordPieceTokenizer(encoder_dir)
    return Data(tokenizer, {name: _part_of_corpus(corpus.parts[name], tokenizer, tokens, cache_dir) for name in parts})


def part_of_texts(texts: Sequence[str], tokenizer: Tokenizer, tokens: TokensConfig) -> Part:
    """Tokenise N new raw texts in memory, truncated and batched as those of the corpus.

    Their ids are their positions, and their labels, which are unknown, are zeros.
    """
    store = TokenStore.of_rows(list(tokenizer.encode(texts)))
    labels = np.zeros(len(texts), dtype=np.int64)
    return _part(tuple(map(str, range(len(texts)))), labels, store, tokenizer, tokens)


def _part_of_corpus(reviews: Sequence[Review], tokenizer: Tokenizer, tokens: TokensConfig, cache_dir: Path) -> Part:
    ids = tuple(review.id for review in reviews)
    key = token_key(tokenizer.fingerprint, ids)
    store = cached_tokens(cache_dir, key, [review.text for review in reviews], tokenizer.encode)
    labels = np.array([review.label for review in reviews], dtype=np.int64)
    return _part(ids, labels, store, tokenizer, tokens)


def _part(
    ids: tuple[str, ...], labels: np.ndarray, store: TokenStore, tokenizer: Tokenizer, tokens: TokensConfig
) -> Part:
    counts = store.lengths + len(tokenizer.prefix_ids) + len(tokenizer.suffix_ids)
    return Part(ids, labels, counts, tokens.max_length, tokens.truncation, store, tokenizer)


def _word_tokenizer(train: Sequence[Review], tokens: TokensConfig, cache_dir: Path) -> WordTokenizer:
    """Return the vocabulary of the train part; count it first where the cache lacks it."""
    ids = [review.id for review in train]
    key = hash_lines([f"vocabulary {TOKEN_STORE_VERSION}", str(tokens.vocab_size), str(tokens.min_count), *ids])

    def build(folder: Path) -> None:
        texts = [review.text for review in train]
        WordTokenizer.from_texts(texts, tokens.vocab_size, tokens.min_count).save(folder / VOCABULARY_FILE)

    return cached_entry(
        cache_dir / "vocabularies" / key, build, lambda folder: WordTokenizer.load(folder / VOCABULARY_FILE)
    )
