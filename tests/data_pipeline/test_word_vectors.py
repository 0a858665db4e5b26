"""Vectors that words have in a file or in an encoder are those that they begin with."""

import gzip

import numpy as np
import pytest

from data_pipeline.errors import DataError
from data_pipeline.tokenization import WordPieceTokenizer
from data_pipeline.word_vectors import DEVIATION, encoder_vectors, encoder_width, file_width, read_vectors
from tests.helpers.encoders import write_encoder
from tests.helpers.facts import assert_names

WORDS = ["good", "film", "unheard", "ça"]
GLOVE = "the 9 9 9\ngood 0.5 -1 2\n. . . 7 7 7\nça 1 2 3\nfilm 4 5 6e-1\ngood 8 8 8\n"


def write(path, text=GLOVE):
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["glove.txt", "glove.txt.gz"])
@pytest.mark.parametrize("head", ["", "6 3\n"])
def test_a_file_gives_each_word_its_first_line_and_no_row_to_a_word_that_it_lacks(tmp_path, name, head):
    found = read_vectors(write(tmp_path / name, head + GLOVE), WORDS)

    expected = [[0.5, -1, 2], [4, 5, 0.6], [np.nan] * 3, [1, 2, 3]]
    np.testing.assert_array_equal(found, np.array(expected, dtype=np.float32))
    assert file_width(tmp_path / name, None) == 3


def test_a_word_of_several_words_is_none_of_ours(tmp_path):
    assert np.isnan(read_vectors(write(tmp_path / "glove.txt"), ["."])).all()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("the 1 2 3\ngood 1 2\n", ["line 2", "3 finite numbers"]),
        ("the 1 2 3\ngood 1 x 3\n", ["line 2"]),
        ("the 1 2 3\ngood 1 nan 3\n", ["line 2"]),
        ("", ["empty"]),
        ("<!doctype>\n", ["line 1"]),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(tmp_path, text, names):
    with pytest.raises(DataError) as fault:
        read_vectors(write(tmp_path / "glove.txt", text), WORDS)
    assert_names(str(fault.value), "glove.txt", *names)


def test_a_file_that_is_cut_short_missing_or_another_is_refused(tmp_path):
    packed = write(tmp_path / "glove.txt.gz", GLOVE * 1000)
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(DataError, match="cut short"):
        read_vectors(packed, WORDS)
    with pytest.raises(DataError, match="No such file"):
        file_width(tmp_path / "absent.txt", None)
    with pytest.raises(DataError, match="sha256"):
        file_width(write(tmp_path / "glove.txt"), "0" * 64)


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert"])
def test_an_encoder_gives_the_mean_of_the_words_pieces_centred_and_scaled(tmp_path, kind):
    from transformers import AutoModel

    words = ["film", "joy", "awful", "awonderful"]
    folder = write_encoder(tmp_path, kind)
    table = AutoModel.from_pretrained(folder).get_input_embeddings().weight.detach().numpy()
    pieces = WordPieceTokenizer(folder).encode(words)
    means = np.stack([table[each].mean(axis=0) for each in pieces])

    found = encoder_vectors(folder, words)

    assert encoder_width(folder) == found.shape[1]
    np.testing.assert_allclose(found, (means - means.mean(0)) / means.std(0) * DEVIATION, rtol=0, atol=1e-5)


def test_a_word_that_the_encoder_does_not_know_has_no_row(tmp_path):
    found = encoder_vectors(write_encoder(tmp_path, "bert"), ["film", "qqq", "joy"])

    assert np.isnan(found).all(axis=1).tolist() == [False, True, False]
