"""Archives, unpacked folders and encoders of an enemy: read as documented or refused in one line."""

import errno
import gzip
import io
import os
import re
import tarfile

import numpy as np
import pytest
from safetensors.numpy import save

from data_pipeline import aclimdb
from data_pipeline.aclimdb import PARSED_FILE, read_aclimdb
from data_pipeline.encoder import resolve_encoder
from data_pipeline.files import SUMS_FILE
from tests.helpers.facts import assert_names
from tests.helpers.hostility import MILLION, damaged, outcome, refusal
from tests.helpers.official import members, write_archive, write_folder

SEVENTH = "train/neg/7_1.txt"


class TestArchives:
    @pytest.mark.parametrize(
        "name", ["{outside}/evil", "../evil", "aclImdb/../../evil", "aclImdb/train/neg/../../../../evil"]
    )
    def test_what_leads_out_of_an_archive_is_written_nowhere(self, given, cache, tmp_path, name):
        evil = tarfile.TarInfo(name.format(outside=tmp_path))
        path = write_archive(given / "reviews.tar.gz", members(), evil)

        assert_names(refusal(lambda: read_aclimdb(path, cache)), path, repr(evil.name))
        assert not list(tmp_path.rglob("evil*"))

    def test_of_a_good_archive_nothing_is_unpacked(self, given, cache, tmp_path):
        read_aclimdb(write_archive(given / "reviews.tar.gz", members()), cache)

        found = {path.name for path in tmp_path.rglob("*") if path.is_file()}
        assert {name for name in found if not name.endswith(".lock")} == {"reviews.tar.gz", PARSED_FILE, SUMS_FILE}

    def test_names_that_are_no_text_are_refused_in_one_line(self, given, cache):
        for name in (b"train/neg/caf\xe9.txt", b"train/neg/two\nlines.txt"):
            path = write_archive(given / "reviews.tar.gz", members() | {os.fsdecode(name): b"good"})

            assert_names(refusal(lambda path=path: read_aclimdb(path, cache)), path, "<index>_<stars>.txt")

    @pytest.mark.parametrize(
        ("form", "name", "attributes", "fact"),
        [
            (tarfile.GNU_FORMAT, "a" * MILLION, {}, r"\b1,000,\d{3} bytes"),
            (tarfile.PAX_FORMAT, "a" * MILLION, {}, r"\b1,000,\d{3} bytes"),
            (tarfile.PAX_FORMAT, SEVENTH, {"GNU.sparse.map": "nowhere", "GNU.sparse.size": "1"}, "nowhere"),
        ],
        ids=["a megabyte", "a megabyte of attributes", "a broken sparse map"],
    )
    def test_a_name_of_a_megabyte_and_a_broken_sparse_map_are_refused(self, given, cache, form, name, attributes, fact):
        evil = tarfile.TarInfo(f"aclImdb/{name}")
        evil.pax_headers = attributes
        path = given / "reviews.tar.gz"
        with tarfile.open(path, "w:gz", format=form) as archive:
            archive.addfile(evil, io.BytesIO())

        assert re.search(fact, refusal(lambda: read_aclimdb(path, cache)))

    def test_endless_empty_members_are_refused(self, given, cache, monkeypatch):
        monkeypatch.setattr(aclimdb, "MOST_MEMBERS", 5)
        path = write_archive(given / "reviews.tar.gz", members(per_class=2))

        assert_names(refusal(lambda: read_aclimdb(path, cache)), path, "5 members")

    def test_whatever_bytes_of_it_change_it_is_read_or_refused(self, given, cache):
        path = write_archive(given / "reviews.tar.gz", members(per_class=2))
        refused = 0
        for content in damaged(gzip.decompress(path.read_bytes()), 100):
            path.write_bytes(gzip.compress(content, compresslevel=1))
            refused += bool(outcome(lambda: read_aclimdb(path, cache)))

        assert 5 < refused < 100


@pytest.mark.parametrize(
    ("put", "fact"),
    [
        (os.mkfifo, ""),
        (os.mkdir, ""),
        (lambda path: path.symlink_to("nowhere"), os.strerror(errno.ENOENT)),
        (lambda path: path.symlink_to("7_1.txt"), os.strerror(errno.ELOOP)),
        (lambda path: path.write_bytes(b"x" * 5001), "5,001 bytes"),
    ],
    ids=["pipe", "folder", "link to nothing", "link to itself", "longer than any review"],
)
def test_what_is_no_review_in_a_folder_is_neither_read_nor_waited_for(given, cache, monkeypatch, put, fact):
    monkeypatch.setattr(aclimdb, "LONGEST_MEMBER", 5000)
    folder = write_folder(given / "unpacked", members())
    put(folder / "aclImdb" / SEVENTH)

    assert_names(refusal(lambda: read_aclimdb(folder, cache)), folder, SEVENTH, fact)


class TestEncoders:
    @pytest.fixture
    def folder(self, given):
        (given / "model.safetensors").write_bytes(save({"weight": np.zeros(2)}))
        (given / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n")
        return given

    @pytest.mark.parametrize(
        "content",
        [
            b"{}",
            b"[]",
            b"not json",
            b'{"max_position_embeddings": Infinity}',
            b'{"max_position_embeddings": 1e999}',
            b'{"max_position_embeddings": []}',
            b'{"model_type": "roberta", "max_position_embeddings": 64, "pad_token_id": "x"}',
            b"[" * 100_000,
            b"\xff\xfe",
            b'{"model_type": "' + b"x" * 5000 + b'"}',
            b"9" * 5000,
        ],
        ids=range(11),
    )
    def test_a_config_that_is_none_is_refused(self, folder, content):
        (folder / "config.json").write_bytes(content)

        line = refusal(lambda: resolve_encoder(folder))

        assert_names(line, folder / "config.json")
        assert len(line) < 300 + len(str(folder))

    def test_a_name_that_no_folder_can_have_is_refused(self, folder):
        assert "File name too long" in refusal(lambda: resolve_encoder(folder / ("x" * 5000)))
