"""Turn text into token ids: words by torchtext, word pieces by the encoder's own tokenizer."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import numpy as np

from data_pipeline.tokenizer_files import load_tokenizer, special_ids, tokenizer_fingerprint

if TYPE_CHECKING:
    from tokenizers import Tokenizer as RustTokenizer

TokenizerKind = Literal["word", "wordpiece"]

PAD, UNK = "<pad>", "<unk>"
PAD_ID, UNK_ID = 0, 1

CHUNK = 1000  # reviews held at a time: the Rust encodings of 25,000 whole reviews take most of a gigabyte

_LINE_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)


def clean(text: str) -> str:
    """Replace HTML line breaks, the only markup that IMDB reviews are full of (101,870 in the train split)."""
    return _LINE_BREAK_TAG.sub(" ", text)


def _cleaned_places(text: str) -> np.ndarray:
    """Return where each character of `clean(text)`, and its end, is in the text: (characters + 1,) int64."""
    places: list[int] = []
    end = 0
    for tag in _LINE_BREAK_TAG.finditer(text):
        places += [*range(end, tag.start()), tag.start()]
        end = tag.end()
    return np.array([*places, *range(end, len(text) + 1)], dtype=np.int64)


class WordTokenizer:
    """torchtext's basic_english words, and a vocabulary of the frequent ones. `<pad>` is 0, `<unk>` is 1.

    Args:
        itos: the word of each id, the two special ones first.

    Attributes:
        fingerprint: hash of everything that decides which ids a text gets.
        vocab_size: ids are 0 to vocab_size - 1.
        unk_id: the id of a token that the vocabulary lacks, and of a text without tokens.
        prefix_ids: special tokens before a review.
        suffix_ids: special tokens after a review, truncated or not.
    """

    kind: TokenizerKind = "word"
    pad_id: int = PAD_ID
    unk_id: int = UNK_ID
    prefix_ids: tuple[int, ...] = ()
    suffix_ids: tuple[int, ...] = ()

    def __init__(self, itos: Sequence[str]) -> None:
        # torchtext sorts by count, so falling counts keep the order of `itos`.
        counts = Counter({word: len(itos) - position for position, word in enumerate(itos)})
        self._vocab = _torchtext_vocab(counts, vocab_size=None, min_count=1)
        if self._vocab.itos != list(itos):
            raise ValueError(f"a word vocabulary starts with {PAD}, {UNK} and names no word twice")
        # A review that spells out `<pad>` is no padding. Splitting takes 0.22 µs a word, `vocab[word]` 0.38, this 0.06.
        self._ids = {word: max(int(self._vocab[word]), UNK_ID) for word in itos}
        self._split = _basic_english()
        self.vocab_size = len(self._vocab)
        self.fingerprint = hashlib.sha256("\n".join(["basic_english", *itos]).encode()).hexdigest()

    @classmethod
    def from_texts(cls, texts: Sequence[str], vocab_size: int, min_count: int) -> Self:
        """Build the vocabulary of at most `vocab_size` words, each seen `min_count` times, and the special ones."""
        split = _basic_english()
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(split(clean(text)))
        return cls(_torchtext_vocab(counts, vocab_size, min_count).itos)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that `save` wrote; raise OSError or ValueError where it holds no vocabulary."""
        try:
            itos = json.loads(path.read_text(encoding="utf-8"))
        except RecursionError:
            itos = None
        if not isinstance(itos, list) or not all(isinstance(word, str) for word in itos):
            raise ValueError(f"{path} holds no list of words")
        return cls(itos)

    @property
    def words(self) -> list[str]:
        """Return the vocabulary, in the order of its ids; the first two are no words."""
        return list(self._vocab.itos)

    def save(self, path: Path) -> None:
        """Write the vocabulary as a JSON list."""
        path.write_text(json.dumps(self._vocab.itos, ensure_ascii=False), encoding="utf-8")

    def encode(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """Yield one int32 array per raw text as it is asked for, without special tokens, not truncated, never empty."""
        for text in texts:
            ids = [self._ids.get(word, UNK_ID) for word in self._split(clean(text))]
            yield np.array(ids or [UNK_ID], dtype=np.int32)

    def spans(self, text: str) -> np.ndarray:
        """Return start and end, in the raw text, of each token that `encode` yields: (T, 2) int64; (0, 0) for <unk>.

        basic_english changes letters to lower case and drops some signs, but never the order: the words' characters
        are found one after the other.
        """
        cleaned, places = clean(text), _cleaned_places(text)
        # In lower case some letters become two, both at the letter's place.
        at = (place for place, letter in zip(places, cleaned, strict=False) for _ in letter.lower())
        characters = zip(cleaned.lower(), at, strict=True)
        spans = []
        for word in self._split(cleaned):
            found = [next(place for character, place in characters if character == wanted) for wanted in word]
            spans.append((found[0], found[-1] + 1))
        return np.array(spans or [(0, 0)], dtype=np.int64)


class WordPieceTokenizer:
    """An encoder's own tokenizer: BERT's word pieces, or RoBERTa's pairs of bytes.

    Args:
        folder: holds tokenizer.json, or vocab.txt, or vocab.json and merges.txt.

    Raises:
        DataError: the folder has no tokenizer, or one without the special tokens of a BERT.
    """

    kind: TokenizerKind = "wordpiece"

    def __init__(self, folder: Path) -> None:
        self.fingerprint = tokenizer_fingerprint(folder)
        tokenizer = load_tokenizer(folder)
        cls_id, sep_id, self.pad_id, self.unk_id = special_ids(tokenizer)
        self.prefix_ids: tuple[int, ...] = (cls_id,)
        self.suffix_ids: tuple[int, ...] = (sep_id,)
        self.vocab_size = len(tokenizer)
        self._rust: RustTokenizer = tokenizer.backend_tokenizer
        self._rust.no_truncation()  # MiniLM's tokenizer.json cuts at 128 tokens and pads to them
        self._rust.no_padding()
        self._rust.encode_special_tokens = True  # a review that spells out [SEP] does not end there

    def encode(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """Yield token ids as `WordTokenizer.encode` does; one [UNK] for a text without tokens."""
        for start in range(0, len(texts), CHUNK):
            chunk = [clean(text) for text in texts[start : start + CHUNK]]
            # The Rust tokenizer itself: the same ids as transformers' call (3.0 s for 7,000 reviews) in 2.3 s.
            for encoding in self._rust.encode_batch_fast(chunk, add_special_tokens=False):
                yield np.array(encoding.ids or [self.unk_id], dtype=np.int32)

    def spans(self, text: str) -> np.ndarray:
        """Return spans as `WordTokenizer.spans` does."""
        found = self._rust.encode(clean(text), add_special_tokens=False).offsets
        return _cleaned_places(text)[np.array(found or [(0, 0)], dtype=np.int64)]


Tokenizer = WordTokenizer | WordPieceTokenizer


def _basic_english() -> Callable[[str], list[str]]:
    from torchtext.data.utils import get_tokenizer

    return cast("Callable[[str], list[str]]", get_tokenizer("basic_english"))


def _torchtext_vocab(counts: "Counter[str]", vocab_size: int | None, min_count: int) -> Any:
    """Build a torchtext Vocab; its own default would put `<pad>` at 1, and `max_size` leaves out the special words."""
    from torchtext.vocab import Vocab

    return Vocab(counts, max_size=vocab_size, min_freq=min_count, specials=[PAD, UNK])
