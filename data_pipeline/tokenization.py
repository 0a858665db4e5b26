"""Text becomes token ids: words by torchtext, word pieces by the encoder's own tokenizer."""

import hashlib
import json
import os
import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, cast

import numpy as np

from data_pipeline.errors import DataError
from data_pipeline.tokenizer_files import load_tokenizer, tokenizer_fingerprint

if TYPE_CHECKING:
    from tokenizers import Tokenizer as RustTokenizer

TokenizerKind = Literal["word", "wordpiece"]

PAD, UNK = "<pad>", "<unk>"
PAD_ID, UNK_ID = 0, 1

CHUNK = 1000  # reviews held at a time: the Rust encodings of 25,000 whole reviews would take most of a gigabyte

_LINE_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)


class Tokenizer(Protocol):
    """What the pipeline asks of a tokenizer."""

    @property
    def kind(self) -> TokenizerKind:
        """`word` or `wordpiece`."""

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides which ids a text gets."""

    @property
    def vocab_size(self) -> int:
        """Ids that can occur: 0 to vocab_size - 1."""

    @property
    def pad_id(self) -> int:
        """Id that fills short rows."""

    @property
    def prefix_ids(self) -> tuple[int, ...]:
        """Special tokens before a review."""

    @property
    def suffix_ids(self) -> tuple[int, ...]:
        """Special tokens after a review, truncated or not."""

    def encode(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """One int32 array for each raw text, never empty, without special tokens, not truncated.

        They are made as they are asked for, so whoever lets go of them holds CHUNK of them at the most.
        """

    def spans(self, text: str) -> np.ndarray:
        """(T, 2) int64, where in the raw text each of the tokens stands that `encode` gives it: start and end."""


def clean(text: str) -> str:
    """The text without HTML line breaks, the only markup that IMDB reviews are full of (101,870 in the train split)."""
    return _LINE_BREAK_TAG.sub(" ", text)


def _cleaned_places(text: str) -> np.ndarray:
    """(characters of `clean(text)` + 1,) int64: where each of them stands in the text, and where the text ends."""
    places: list[int] = []
    end = 0
    for tag in _LINE_BREAK_TAG.finditer(text):
        places += [*range(end, tag.start()), tag.start()]
        end = tag.end()
    return np.array([*places, *range(end, len(text) + 1)], dtype=np.int64)


class _Ids(dict[str, int]):
    """The id of each word of a vocabulary; any other word is unknown."""

    def __missing__(self, word: str) -> int:
        return UNK_ID


class WordTokenizer:
    """torchtext's basic_english words, and a vocabulary of the frequent ones. `<pad>` is 0, `<unk>` is 1.

    Args:
        itos: the word of each id, the two special ones first.
    """

    kind: TokenizerKind = "word"
    pad_id = PAD_ID
    prefix_ids: tuple[int, ...] = ()
    suffix_ids: tuple[int, ...] = ()

    def __init__(self, itos: Sequence[str]) -> None:
        # torchtext sorts by count, so falling counts keep the order of `itos`.
        counts = Counter({word: len(itos) - position for position, word in enumerate(itos)})
        self._vocab = _torchtext_vocab(counts, vocab_size=None, min_count=1)
        if self._vocab.itos != list(itos):
            raise ValueError(f"a word vocabulary starts with {PAD}, {UNK} and names no word twice")
        # A review that spells out `<pad>` is no padding. Splitting takes 0.22 µs a word, `vocab[word]` 0.38, this 0.06.
        self._ids = _Ids({word: max(int(self._vocab[word]), UNK_ID) for word in itos})
        self._split = _basic_english()
        self.vocab_size = len(self._vocab)
        self.fingerprint = hashlib.sha256("\n".join(["basic_english", *itos]).encode()).hexdigest()

    @classmethod
    def from_texts(cls, texts: Sequence[str], vocab_size: int, min_count: int) -> Self:
        """Build the vocabulary from the train part's raw texts.

        Args:
            texts: raw texts.
            vocab_size: most words with an id of their own, the two special ones not counted.
            min_count: a word seen less often gets none.
        """
        return cls.fit_encode(texts, vocab_size, min_count)[0]

    @classmethod
    def fit_encode(cls, texts: Sequence[str], vocab_size: int, min_count: int) -> tuple[Self, Iterator[np.ndarray]]:
        """`from_texts` and `encode` of the same texts in one pass; splitting them is most of the work.

        Words get provisional numbers as they come up and their final ids when all are counted. Ties in count are
        broken alphabetically. Until they are handed out, the numbers of M words take 4 M bytes.
        """
        split = _basic_english()
        numbers: defaultdict[str, int] = defaultdict(count().__next__)  # a new word gets the next number
        counts = np.zeros(0, dtype=np.int64)
        chunks: deque[tuple[np.ndarray, np.ndarray]] = deque()  # the numbers of CHUNK reviews, and where to part them
        for start in range(0, len(texts), CHUNK):
            rows = [_row(split(clean(text)), numbers) for text in texts[start : start + CHUNK]]
            chunk = np.concatenate(rows)
            chunks.append((chunk, np.cumsum([len(row) for row in rows[:-1]], dtype=np.int64)))
            counted = np.bincount(chunk, minlength=len(numbers))
            counted[: len(counts)] += counts
            counts = counted
        # torchtext would drop the rare words too, after copying and sorting them: half of IMDB's come up once.
        counter = Counter({word: n for word, n in zip(numbers, counts.tolist(), strict=True) if n >= min_count})
        tokenizer = cls(_torchtext_vocab(counter, vocab_size, min_count).itos)
        return tokenizer, _final_rows(chunks, _row(numbers, tokenizer._ids))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            OSError: the file cannot be read.
            ValueError: it holds no vocabulary.
        """
        try:
            itos = json.loads(path.read_text(encoding="utf-8"))
        except RecursionError:
            itos = None
        if not isinstance(itos, list) or not all(isinstance(word, str) for word in itos):
            raise ValueError(f"{path} holds no list of words")
        return cls(itos)

    def save(self, path: Path) -> None:
        """Write the vocabulary as a JSON list, whole or not at all."""
        unfinished = path.with_name(f"{path.name}.unfinished")
        unfinished.write_text(json.dumps(self._vocab.itos, ensure_ascii=False), encoding="utf-8")
        os.replace(unfinished, path)  # noqa: PTH105  the one rename that is atomic on every system

    def encode(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """One int32 array for each raw text, in turn; a text without words is one unknown word."""
        for text in texts:
            yield _or_unknown(_row(self._split(clean(text)), self._ids), UNK_ID)

    def spans(self, text: str) -> np.ndarray:
        """See Tokenizer; a text without words is an unknown one of no width.

        basic_english changes letters to lower case and drops some signs, but never the order: the words' characters
        are found one after the other.
        """
        cleaned, places = clean(text), _cleaned_places(text)
        # Some letters become two: each of these stands where the letter does.
        at = (place for place, letter in zip(places, cleaned, strict=False) for _ in letter.lower())
        characters = zip(cleaned.lower(), at, strict=True)
        spans = []
        for word in self._split(cleaned):
            found = [next(place for character, place in characters if character == wanted) for wanted in word]
            spans.append((found[0], found[-1] + 1))
        return np.array(spans or [(0, 0)], dtype=np.int64)


class WordPieceTokenizer:
    """An encoder's own tokenizer, read from its folder: BERT's word pieces, or RoBERTa's pairs of bytes.

    Args:
        folder: holds tokenizer.json, or vocab.txt, or vocab.json and merges.txt.

    Raises:
        DataError: the folder has no tokenizer, or one without tokens for start, end, padding and the unknown.
    """

    kind: TokenizerKind = "wordpiece"

    def __init__(self, folder: Path) -> None:
        self.fingerprint = tokenizer_fingerprint(folder)
        tokenizer = load_tokenizer(folder)
        names = ("cls_token_id", "sep_token_id", "pad_token_id", "unk_token_id")
        cls_id, sep_id, pad_id, unk_id = (getattr(tokenizer, name) for name in names)
        if None in (cls_id, sep_id, pad_id, unk_id):
            raise DataError(
                f"the tokenizer in {folder} is not a BERT's: it lacks [CLS], [SEP], [PAD] or [UNK] "
                "(of a RoBERTa <s>, </s>, <pad> or <unk>); put the encoder's own there"
            )
        self.vocab_size = len(tokenizer)
        self.pad_id = int(pad_id)
        self.prefix_ids: tuple[int, ...] = (int(cls_id),)
        self.suffix_ids: tuple[int, ...] = (int(sep_id),)
        self._unk_id = int(unk_id)
        self._rust: RustTokenizer = tokenizer.backend_tokenizer
        self._rust.no_truncation()  # MiniLM's tokenizer.json cuts at 128 tokens and pads to them
        self._rust.no_padding()
        self._rust.encode_special_tokens = True  # a review that spells out [SEP] does not end there

    def encode(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """One int32 array for each raw text, in turn; a text without tokens is one [UNK]."""
        for start in range(0, len(texts), CHUNK):
            chunk = [clean(text) for text in texts[start : start + CHUNK]]
            # The Rust tokenizer itself: the same ids as transformers' call (3.0 s for 7,000 reviews) in 2.3 s.
            for encoding in self._rust.encode_batch_fast(chunk, add_special_tokens=False):
                yield _or_unknown(np.array(encoding.ids, dtype=np.int32), self._unk_id)

    def spans(self, text: str) -> np.ndarray:
        """See Tokenizer; a text without tokens is an unknown one of no width."""
        found = self._rust.encode(clean(text), add_special_tokens=False).offsets
        return _cleaned_places(text)[np.array(found or [(0, 0)], dtype=np.int64)]


def _or_unknown(row: np.ndarray, unk_id: int) -> np.ndarray:
    return row if len(row) else np.array([unk_id], dtype=np.int32)


def _row(words: Collection[str], ids: dict[str, int]) -> np.ndarray:
    """(len(words),) int32; `ids` itself knows what a word that is not in it gets."""
    return np.fromiter(map(ids.__getitem__, words), dtype=np.int32, count=len(words))


def _final_rows(chunks: deque[tuple[np.ndarray, np.ndarray]], final: np.ndarray) -> Iterator[np.ndarray]:
    """The reviews' rows, with final[number] for each provisional number; a chunk is let go once it is handed out."""
    while chunks:
        numbers, ends = chunks.popleft()
        for row in np.split(final[numbers], ends):
            yield _or_unknown(row, UNK_ID)


def _basic_english() -> Callable[[str], list[str]]:
    from torchtext.data.utils import get_tokenizer

    return cast("Callable[[str], list[str]]", get_tokenizer("basic_english"))


def _torchtext_vocab(counts: "Counter[str]", vocab_size: int | None, min_count: int) -> Any:
    """A torchtext Vocab; its own default would put `<pad>` at 1, and it does not count the special words."""
    from torchtext.vocab import Vocab

    return Vocab(counts, max_size=vocab_size, min_freq=min_count, specials=[PAD, UNK])
