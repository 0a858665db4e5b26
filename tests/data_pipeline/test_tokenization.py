import json
import shutil
import warnings

import numpy as np
import pytest
from torchtext.data.utils import get_tokenizer
from transformers import AutoTokenizer

from data_pipeline import tokenization
from data_pipeline.tokenization import WordPieceTokenizer, WordTokenizer, clean
from tests.helpers.facts import assert_names
from tests.helpers.hostility import refusal

TEXTS = ["The film, the FILM!<br /><br />It's great.", "a bad film", "bad bad plot; the end"]


@pytest.fixture(scope="module")
def pieces(encoder_dir):
    return WordPieceTokenizer(encoder_dir)


def words(*texts, vocab_size=100, min_count=1):
    return WordTokenizer.from_texts(texts, vocab_size, min_count)


def ids(tokenizer, text):
    (row,) = tokenizer.encode([text])
    return row.tolist()


@pytest.mark.parametrize("tag", ["<br />", "<br>", "<br/>", "<BR />"])
def test_line_break_tags_become_spaces(tag):
    assert clean(f"one{tag}two <i>three</i>") == "one two <i>three</i>"


class TestWords:
    def test_padding_is_0_unknown_is_1_and_frequent_words_come_first(self):
        tokenizer = words("b b b a a c")

        assert tokenizer.pad_id == 0
        assert ids(tokenizer, "b a c never") == [2, 3, 4, 1]
        assert tokenizer.vocab_size == 5

    def test_words_and_ids_are_those_that_torchtext_gives(self):
        split, tokenizer = get_tokenizer("basic_english"), words(*TEXTS)
        texts = [*TEXTS, "Never seen: the film!", "the end"]

        assert [row.tolist() for row in tokenizer.encode(texts)] == [
            [tokenizer._vocab[word] for word in split(clean(text))] for text in texts
        ]

    def test_ties_in_count_are_broken_alphabetically(self):
        assert ids(words("c b a"), "a b c") == [2, 3, 4]
        assert words("a b c").fingerprint == words("c b a").fingerprint != words("a b").fingerprint

    def test_rare_words_are_unknown_and_vocab_size_leaves_out_the_two_special_ones(self):
        tokenizer = words("c c c b b a", vocab_size=2)

        assert tokenizer.vocab_size == 4
        assert ids(tokenizer, "a b c") == [1, 3, 2]
        assert ids(words("a a b", min_count=2), "a b") == [2, 1]

    def test_an_unknown_word_leaves_the_vocabulary_as_it_is(self):
        tokenizer = words("a")

        assert ids(tokenizer, "b c d") == [1, 1, 1]
        assert len(tokenizer._vocab.stoi) == tokenizer.vocab_size == 3  # torchtext's `stoi[word]` would insert b, c, d

    def test_nothing_is_truncated_and_no_special_token_is_added(self):
        (row,) = words("a").encode(["a " * 5000])

        assert (len(row), row.dtype) == (5000, np.int32)
        assert words("a").prefix_ids == words("a").suffix_ids == ()

    def test_no_words_are_one_unknown_no_texts_no_rows_and_a_spelled_out_special_word_is_no_padding(self):
        assert [ids(words("a"), text) for text in ("", "<br />", ' "" ')] == [[1]] * 3
        assert (words().vocab_size, list(words().encode([]))) == (2, [])
        assert ids(words("a <pad> <pad>"), "<pad> a <unk>") == [1, 2, 1]

    def test_a_round_trip_through_the_file_keeps_every_id(self, tmp_path):
        before = words(*TEXTS, "été naïve film")
        before.save(tmp_path / "itos.json")
        after = WordTokenizer.load(tmp_path / "itos.json")

        assert after.fingerprint == before.fingerprint
        assert [row.tolist() for row in after.encode(TEXTS)] == [row.tolist() for row in before.encode(TEXTS)]
        assert json.loads((tmp_path / "itos.json").read_text())[:2] == ["<pad>", "<unk>"]
        assert [path.name for path in tmp_path.iterdir()] == ["itos.json"]

    @pytest.mark.parametrize("content", ["{}", "[1]", '["<unk>", "<pad>", "a"]', '["<pad>", "<unk>", "a", "a"]', "["])
    def test_a_file_that_holds_no_vocabulary_is_refused(self, tmp_path, content):
        (tmp_path / "itos.json").write_text(content)

        with pytest.raises(ValueError):  # noqa: PT011  the cache asks for no more
            WordTokenizer.load(tmp_path / "itos.json")


class TestWordPieces:
    def test_ids_and_special_tokens_are_those_of_transformers_and_bert(self, pieces, encoder_dir):
        theirs = AutoTokenizer.from_pretrained(encoder_dir)(
            [clean(text) for text in TEXTS], add_special_tokens=False, truncation=False
        )["input_ids"]

        assert [row.tolist() for row in pieces.encode(TEXTS)] == theirs
        assert (pieces.vocab_size, pieces.pad_id, pieces.prefix_ids, pieces.suffix_ids) == (30522, 0, (101,), (102,))

    def test_nothing_is_truncated_padded_or_warned_about(self, pieces, caplog, capfd):
        """MiniLM's own tokenizer.json truncates to 128 tokens and pads to them."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rows = list(pieces.encode(["film " * 3000, "film"]))

        assert [len(row) for row in rows] == [3000, 1]
        assert rows[0].dtype == np.int32
        assert caplog.text == capfd.readouterr().err == ""

    def test_many_texts_keep_their_order_and_are_read_by_chunks(self, pieces, monkeypatch):
        read = []
        monkeypatch.setattr(tokenization, "clean", lambda text: read.append(text) or text)
        rows = pieces.encode(["film " * (1 + i % 7) for i in range(2500)])
        first = next(rows)

        assert len(read) == tokenization.CHUNK
        assert [len(row) for row in (first, *rows)] == [1 + i % 7 for i in range(2500)]

    def test_no_tokens_are_one_unknown_and_a_spelled_out_special_token_is_text(self, pieces):
        assert [ids(pieces, text) for text in ("", "<br />", " \n")] == [[100]] * 3
        assert not {0, 101, 102} & set(ids(pieces, "[CLS] a [SEP] b [PAD]"))

    def test_the_fingerprint_is_that_of_the_tokenizer_files(self, pieces, encoder_dir, tmp_path):
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
            shutil.copy(encoder_dir / name, tmp_path)
        assert WordPieceTokenizer(tmp_path).fingerprint == pieces.fingerprint

        settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings | {"do_lower_case": False}))
        assert WordPieceTokenizer(tmp_path).fingerprint != pieces.fingerprint

    def test_a_folder_without_a_tokenizer_or_with_a_broken_one_is_refused(self, encoder_dir, tmp_path):
        assert_names(refusal(lambda: WordPieceTokenizer(tmp_path)), tmp_path, "tokenizer.json", "vocab.txt")

        shutil.copy(encoder_dir / "config.json", tmp_path)
        (tmp_path / "tokenizer.json").write_text("{")
        assert_names(refusal(lambda: WordPieceTokenizer(tmp_path)), tmp_path, "tokenizer")


SPELLED = 'The "FILM"<br /><br />It\'s  a<BR>gr"eat (bad) plot; the end: \u0130stanbul \u039f\u0394\u039f\u03a3!\n'


class TestSpans:
    def test_words_stand_where_the_raw_text_has_them(self):
        spans = words("a").spans(SPELLED)

        assert [SPELLED[start:end] for start, end in spans] == [
            *("The", "FILM", "It", "'", "s", "a", 'gr"eat', "(", "bad", ")", "plot", "the", "end"),
            *("\u0130stanbul", "\u039f\u0394\u039f\u03a3", "!"),
        ]

    def test_word_pieces_stand_where_the_raw_text_has_them(self, pieces):
        text = "It's<br />unwatchable, [SEP] caf\u00e9<br>\U0001f600!"
        found = [text[start:end] for start, end in pieces.spans(text)]

        assert found[:3] == ["It", "'", "s"]
        assert "".join(found).startswith("It'sunwatchable,[SEP]caf\u00e9")
        assert found[-1] == "!"

    @pytest.mark.parametrize(
        "text", [*TEXTS, SPELLED, "", " ", "<br />", "<br />the<br />", '<"br />b', "\u0130", "a" * 300]
    )
    def test_there_is_one_for_each_token_in_order_and_within_the_text(self, pieces, text):
        for tokenizer in (words(*TEXTS), pieces):
            (row,) = tokenizer.encode([text])
            spans = tokenizer.spans(text)

            assert spans.shape == (len(row), 2)
            assert (np.diff(spans.flatten()[::2]) >= 0).all()
            assert (spans[:, 0] <= spans[:, 1]).all()
            assert (spans >= 0).all()
            assert (spans <= len(text)).all()
