"""Archives, unpacked folders and encoders of an enemy: read as documented or refused in one line."""

import gzip
import hashlib
import io
import os
import re
import tarfile

import pytest

from data_pipeline import aclimdb
from data_pipeline.aclimdb import PARSED_FILE, read_aclimdb
from data_pipeline.checksums import SUMS_FILE
from data_pipeline.encoder import resolve_encoder
from tests.helpers.hostility import MILLION, damaged, outcome, refusal
from tests.helpers.official import members, write_archive, write_folder

# The official layout


class TestArchives:
    @pytest.mark.parametrize(
        "name", ["{outside}/evil", "../evil", "aclImdb/../../evil", "aclImdb/train/neg/../../../../evil"]
    )
    def test_what_leads_out_of_an_archive_is_written_nowhere(self, given, cache, tmp_path, name):
        evil = tarfile.TarInfo(name.format(outside=tmp_path))
        path = write_archive(given / "reviews.tar.gz", members(), evil)

        assert "leads out of the archive" in refusal(lambda: read_aclimdb(path, cache))
        assert not list(tmp_path.rglob("evil*"))

    def test_of_a_good_archive_nothing_is_unpacked(self, given, cache, tmp_path):
        read_aclimdb(write_archive(given / "reviews.tar.gz", members()), cache)

        found = {path.name for path in tmp_path.rglob("*") if path.is_file()}
        assert {name for name in found if not name.endswith(".lock")} == {"reviews.tar.gz", PARSED_FILE, SUMS_FILE}

    def test_names_that_are_no_text_are_told_in_one_line(self, given, cache):
        for name in (b"train/neg/caf\xe9.txt", b"train/neg/two\nlines.txt"):
            path = write_archive(given / "reviews.tar.gz", members() | {os.fsdecode(name): b"good"})

            assert "is not named <index>_<stars>.txt" in refusal(lambda path=path: read_aclimdb(path, cache))

    def test_a_sparse_file_whose_map_is_none_is_told(self, given, cache):
        evil = tarfile.TarInfo("aclImdb/train/neg/7_1.txt")
        evil.pax_headers = {"GNU.sparse.map": "nowhere", "GNU.sparse.size": "1"}
        path = given / "reviews.tar.gz"
        with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
            archive.addfile(evil, io.BytesIO())

        assert "cannot be read as a .tar.gz" in refusal(lambda: read_aclimdb(path, cache))

    @pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    def test_a_name_of_a_megabyte_is_refused_before_it_is_read(self, given, cache, form):
        path = given / "reviews.tar.gz"
        with tarfile.open(path, "w:gz", format=form) as archive:
            archive.addfile(tarfile.TarInfo("a" * MILLION), io.BytesIO())

        assert re.search(r"name or attributes have 1,000,\d{3} bytes", refusal(lambda: read_aclimdb(path, cache)))

    def test_endless_empty_members_are_refused(self, given, cache, monkeypatch):
        monkeypatch.setattr("data_pipeline.aclimdb.MOST_MEMBERS", 5)
        path = write_archive(given / "reviews.tar.gz", members(per_class=2))

        assert "has more than 5 members" in refusal(lambda: read_aclimdb(path, cache))

    def test_whatever_bytes_of_it_change_it_is_read_or_refused(self, given, cache):
        path = write_archive(given / "reviews.tar.gz", members(per_class=2))
        refused = 0
        for content in damaged(gzip.decompress(path.read_bytes()), 100):
            path.write_bytes(gzip.compress(content, compresslevel=1))
            refused += bool(outcome(lambda: read_aclimdb(path, cache)))

        assert 5 < refused < 100


class TestFolders:
    @pytest.fixture
    def folder(self, given):
        return write_folder(given / "unpacked", members())

    def test_a_pipe_is_not_waited_for(self, folder, cache):
        os.mkfifo(folder / "aclImdb" / "train" / "neg" / "7_1.txt")

        assert "train/neg/7_1.txt is no file; remove it" in refusal(lambda: read_aclimdb(folder, cache))

    def test_a_folder_in_the_place_of_a_review_is_told(self, folder, cache):
        (folder / "aclImdb" / "train" / "neg" / "7_1.txt").mkdir()

        assert "train/neg/7_1.txt is no file; remove it" in refusal(lambda: read_aclimdb(folder, cache))

    @pytest.mark.parametrize("target", ["nowhere", "7_1.txt"])
    def test_a_link_that_leads_nowhere_or_to_itself_is_told(self, folder, cache, target):
        (folder / "aclImdb" / "train" / "neg" / "7_1.txt").symlink_to(target)

        assert "train/neg/7_1.txt cannot be read: " in refusal(lambda: read_aclimdb(folder, cache))

    def test_a_file_that_is_longer_than_any_review_is_not_read(self, folder, cache, monkeypatch):
        monkeypatch.setattr(aclimdb, "LONGEST_MEMBER", 5000)
        (folder / "aclImdb" / "train" / "neg" / "7_1.txt").write_bytes(b"x" * 5001)

        assert "'train/neg/7_1.txt' has 5,001 bytes, which no review has" in refusal(
            lambda: read_aclimdb(folder, cache)
        )


# Encoders


class TestEncoders:
    @pytest.fixture
    def folder(self, given):
        (given / "model.safetensors").write_bytes(b"no weights")
        (given / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n")
        return given

    @pytest.mark.parametrize(
        "content",
        [
            b'{"max_position_embeddings": Infinity}',
            b'{"max_position_embeddings": 1e999}',
            b'{"max_position_embeddings": []}',
            b'{"model_type": "roberta", "max_position_embeddings": 64, "pad_token_id": "x"}',
            b"[" * 100_000,
            b"\xff\xfe",
            b'{"model_type": "' + b"x" * 5000 + b'"}',
            b"9" * 5000,
        ],
        ids=["infinite", "too large", "a list", "no padding", "deep", "no text", "long", "many digits"],
    )
    def test_a_config_that_is_none_is_told(self, folder, content):
        (folder / "config.json").write_bytes(content)

        line = refusal(lambda: resolve_encoder(folder))

        assert line.startswith(f"{folder / 'config.json'} is ")
        assert len(line) < 300 + len(str(folder))

    def test_weights_of_another_hash_are_refused_before_they_are_opened(self, folder):
        (folder / "config.json").write_text('{"max_position_embeddings": 64}')
        wanted = hashlib.sha256(b"the weights").hexdigest()

        assert f"sha256 wanted {wanted}, found " in refusal(lambda: resolve_encoder(folder, wanted))

    def test_a_name_that_no_folder_can_have_is_refused(self, folder):
        assert "File name too long" in refusal(lambda: resolve_encoder(folder / ("x" * 5000)))
