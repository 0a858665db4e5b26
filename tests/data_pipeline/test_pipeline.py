from typing import get_args

import numpy as np
import pytest
import torch

from data_pipeline.config import TokensConfig, Truncation
from data_pipeline.pipeline import build_data, kept_tokens, part_of_texts, token_spans
from data_pipeline.token_store import TOKENS_FILE
from data_pipeline.tokenization import WordPieceTokenizer, WordTokenizer

SHORT = TokensConfig(max_length=16, vocab_size=1000, min_count=1)
TRUNCATIONS = get_args(Truncation)
by_kind = pytest.mark.parametrize("kind", ["word", "wordpiece"])


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def build(corpus, encoder_dir, cache_dir):
    def build(kind="wordpiece", cache=cache_dir, **parts):
        return build_data(corpus, SHORT, kind, encoder_dir, cache, **parts)

    return build


@pytest.fixture
def no_tokenising(monkeypatch):
    """Once called, whatever tokenises fails."""

    def forbid():
        def fail(*_):
            raise AssertionError("tokenised")

        monkeypatch.setattr(WordTokenizer, "encode", fail)
        monkeypatch.setattr(WordTokenizer, "from_texts", fail)
        monkeypatch.setattr(WordPieceTokenizer, "encode", fail)

    return forbid


def all_batches(batches):
    return {
        id_: (int(label), row[:length].tolist(), int(length))
        for batch in batches
        for id_, label, row, length in zip(batch.ids, batch.labels, batch.input_ids, batch.lengths, strict=True)
    }


class TestParts:
    @by_kind
    def test_every_review_is_there_with_its_label(self, build, corpus, kind):
        parts = build(kind).parts

        assert {name: len(part) for name, part in parts.items()} == {"train": 120, "val": 40, "test": 60}
        for name, reviews in corpus.parts.items():
            assert parts[name].ids == tuple(review.id for review in reviews)
            assert parts[name].labels.tolist() == [review.label for review in reviews]
            assert parts[name].labels.dtype == np.int64

    @by_kind
    def test_lengths_counts_and_truncation_agree(self, build, corpus, kind):
        data = build(kind)
        part = data.parts["test"]
        special = {"word": 0, "wordpiece": 2}[kind]
        counts = [len(row) + special for row in data.tokenizer.encode([review.text for review in corpus.test])]

        assert part.token_counts.tolist() == counts
        assert part.lengths.tolist() == [min(count, 16) for count in counts]
        assert part.truncated.tolist() == [count > 16 for count in counts]
        assert 0 < part.truncated.sum() < 60

    @by_kind
    def test_a_part_not_asked_for_is_not_tokenised_and_cannot_be_reached(self, build, tmp_path, kind):
        data = build(kind, cache=tmp_path, parts=("train", "val"))

        assert set(data.parts) == {"train", "val"}
        assert len(list((tmp_path / "tokens").glob(f"*/{TOKENS_FILE}"))) == 2

    def test_the_word_vocabulary_knows_the_train_part_alone(self, corpus, build):
        tokenizer = build("word").tokenizer
        train_words = WordTokenizer.from_texts([review.text for review in corpus.train], 1000, 1)

        assert tokenizer.fingerprint == train_words.fingerprint


class TestBatches:
    def test_rows_stand_in_the_order_asked_for_and_are_padded_to_the_longest(self, build, corpus):
        part = build().parts["test"]
        long, short = int(np.argmax(part.token_counts)), int(np.argmin(part.token_counts))
        batch, length = part.batch(np.array([long, short])), int(part.lengths[short])

        assert batch.input_ids[:, 0].tolist() == [101, 101]
        assert (batch.input_ids[0, 15], batch.input_ids[1, length - 1]) == (102, 102)
        assert batch.input_ids[1, length:].tolist() == [0] * (16 - length)
        assert batch.lengths.tolist() == [16, length]
        assert batch.ids == (corpus.test[long].id, corpus.test[short].id)
        assert batch.input_ids.dtype == batch.labels.dtype == batch.lengths.dtype == torch.int64
        assert batch.features is None

    @pytest.mark.parametrize("length_grouping", [True, False])
    def test_an_epoch_is_every_review_once_and_the_same_for_the_same_seed(self, build, length_grouping):
        part = build().parts["train"]

        def epoch(seed, number):
            return list(part.training_batches(16, seed, number, length_grouping=length_grouping))

        assert all_batches(epoch(1, 1)) == all_batches(part.evaluation_batches(7))
        assert [b.ids for b in epoch(1, 1)] == [b.ids for b in epoch(1, 1)]
        assert [b.ids for b in epoch(1, 1)] != [b.ids for b in epoch(1, 2)]


class TestTruncation:
    @pytest.mark.parametrize(
        ("truncation", "length", "room", "kept"),
        [
            ("head", 9, 6, [0, 1, 2, 3, 4, 5]),
            ("tail", 9, 6, [3, 4, 5, 6, 7, 8]),
            ("head_tail", 9, 8, [0, 1, 3, 4, 5, 6, 7, 8]),
            ("head_tail", 9, 7, [0, 1, 4, 5, 6, 7, 8]),
            ("head_tail", 9, 6, [0, 1, 5, 6, 7, 8]),
            ("head_tail", 9, 5, [0, 1, 6, 7, 8]),
            ("head_tail", 9, 4, [0, 6, 7, 8]),
            ("head_tail", 600, 510, [*range(128), *range(600 - 382, 600)]),  # the 128 + 382 of the paper
            *((truncation, length, 6, [*range(length)]) for truncation in TRUNCATIONS for length in (1, 5, 6)),
        ],
    )
    def test_which_part_of_a_review_is_kept(self, truncation, length, room, kept):
        row = np.arange(length, dtype=np.int32)

        assert np.concatenate(kept_tokens(row, room, truncation)).tolist() == kept

    @pytest.mark.parametrize(("kind", "special"), [("word", ([], [])), ("wordpiece", ([101], [102]))])
    @pytest.mark.parametrize("max_length", [16, 17, 19])
    @pytest.mark.parametrize("truncation", TRUNCATIONS)
    def test_special_tokens_stand_around_what_is_kept(self, build, corpus, kind, special, max_length, truncation):
        tokens = SHORT.model_copy(update={"max_length": max_length, "truncation": truncation})
        tokenizer = build(kind).tokenizer
        part = part_of_texts([review.text for review in corpus.test], tokenizer, tokens)
        room = max_length - len(special[0] + special[1])
        found = all_batches(part.evaluation_batches(7))
        rows = list(tokenizer.encode([review.text for review in corpus.test]))

        assert {len(row) > room for row in rows} == {True, False}
        for position, row in enumerate(rows):
            expected = [*special[0], *np.concatenate(kept_tokens(row, room, truncation)).tolist(), *special[1]]
            assert found[str(position)] == (0, expected, len(expected))
            assert part.lengths[position] == len(expected)
            assert part.truncated[position] == (len(row) > room)

    @by_kind
    def test_one_entry_serves_every_truncation_and_max_length(self, corpus, encoder_dir, tmp_path, kind, no_tokenising):
        def epoch(**settings):
            tokens = SHORT.model_copy(update=settings)
            part = build_data(corpus, tokens, kind, encoder_dir, tmp_path).parts["test"]
            return all_batches(part.evaluation_batches(9))

        head = epoch()
        no_tokenising()
        assert epoch() == head
        tail, both, longer = epoch(truncation="tail"), epoch(truncation="head_tail"), epoch(max_length=512)

        assert TokensConfig().truncation == "head"
        assert all(len(row) == len(tail[id_][1]) == len(both[id_][1]) for id_, (_, row, _) in head.items())
        assert head != tail != both != head
        assert max(length for _, _, length in longer.values()) > 16


class TestUnknownTokens:
    TEXTS = ("the film", "die hervorragende", "", "the grandios film was toll")

    @by_kind
    def test_share_and_reviews_without_a_known_token(self, build, kind):
        tokenizer = build(kind).tokenizer
        part = part_of_texts(self.TEXTS, tokenizer, SHORT)
        rows = list(tokenizer.encode(self.TEXTS))
        (nothing,) = rows[2].tolist()  # a text without tokens is one unknown token
        unknown = [[token == nothing for token in row] for row in rows]

        assert unknown[0] == [False, False]
        assert part.unknown_share == pytest.approx(sum(map(sum, unknown)) / sum(map(len, unknown)))
        assert part.unreadable == sum(map(all, unknown)) >= 1

    def test_words_are_counted_in_whole_reviews_and_in_those_of_the_part_alone(self, build):
        part = part_of_texts(self.TEXTS, build("word").tokenizer, SHORT.model_copy(update={"max_length": 1}))

        assert (part.unknown_share, part.unreadable) == (0.5, 2)
        assert (part.first(1).unknown_share, part.first(1).unreadable) == (0.0, 0)


class TestFeatures:
    def test_batches_carry_features_in_place_of_tokens(self, build):
        part = build().parts["val"]
        features = np.arange(40 * 6, dtype=np.float16).reshape(40, 2, 3)
        batch = part.with_features(features).batch(np.array([5, 2]))

        assert batch.features.dtype == torch.float32
        assert (batch.features.numpy() == features[[5, 2]]).all()
        assert batch.input_ids.shape == (2, 0)
        assert batch.lengths.tolist() == part.lengths[[5, 2]].tolist()
        assert part.features is None


class TestCache:
    @pytest.mark.parametrize("change", [{"vocab_size": 10}, {"min_count": 300}])
    def test_other_vocabulary_settings_are_another_vocabulary(self, corpus, tmp_path, change):
        other = SHORT.model_copy(update=change)
        found = {build_data(corpus, tokens, "word", None, tmp_path).tokenizer.fingerprint for tokens in (SHORT, other)}

        assert len(found) == 2


@by_kind
class TestNewTexts:
    def test_they_are_cut_framed_and_batched_as_the_corpus_is(self, build, corpus, kind):
        data = build(kind)
        known, new = data.parts["test"], part_of_texts([r.text for r in corpus.test], data.tokenizer, SHORT)

        assert new.truncated.tolist() == known.truncated.tolist()
        for mine, theirs in zip(new.evaluation_batches(4), known.evaluation_batches(4), strict=True):
            assert torch.equal(mine.input_ids, theirs.input_ids)
            assert torch.equal(mine.lengths, theirs.lengths)

    def test_their_ids_are_their_places_and_their_labels_0(self, build, kind):
        for texts, ids in ((["one film", "another"], ("0", "1")), ([], ())):
            part = part_of_texts(texts, build(kind).tokenizer, SHORT)

            assert part.ids == ids
            assert part.labels.tolist() == [0] * len(ids)
            assert part.labels.dtype == np.int64
            assert len(part) == len(part.lengths) == len(ids)


@pytest.mark.parametrize("truncation", TRUNCATIONS)
@by_kind
def test_a_span_for_each_token_that_is_read_of_a_text(build, kind, truncation):
    text, tokenizer = " ".join(f"w{chr(97 + i % 26)}" for i in range(60)), build(kind).tokenizer
    tokens = TokensConfig(max_length=11, truncation=truncation)
    spans = token_spans(text, tokenizer, tokens)
    part = part_of_texts([text], tokenizer, tokens)
    said = spans[len(tokenizer.prefix_ids) : len(spans) - len(tokenizer.suffix_ids)]

    assert spans.shape == (part.lengths[0], 2)
    assert spans[: len(tokenizer.prefix_ids)].tolist() == [[0, 0]] * len(tokenizer.prefix_ids)
    assert spans[len(spans) - len(tokenizer.suffix_ids) :].tolist() == [[len(text)] * 2] * len(tokenizer.suffix_ids)
    (again,) = tokenizer.encode([" ".join(text[start:end] for start, end in said)]) if kind == "word" else [said]
    assert len(again) == len(said)
    assert (said[-1, 1] == len(text)) == (truncation != "head")
    assert (said[0, 0] == 0) == (truncation != "tail")
