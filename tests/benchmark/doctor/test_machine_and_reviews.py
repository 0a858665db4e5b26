"""Processor, memory and disk; the official reviews."""

from pathlib import Path

import psutil
import pytest
import torch

from benchmark.doctor import machine
from benchmark.doctor.finding import Level
from benchmark.doctor.inputs import official_findings
from benchmark.plan import Workspace
from data_pipeline import sources
from data_pipeline.errors import DataError
from data_pipeline.sources import Place, official_archive
from tests.helpers.examined import told
from tests.helpers.official import members, write_archive, write_folder


def test_a_processor_without_bf16_is_a_note_that_says_what_it_costs(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)

    (found,) = machine.processor_findings(Workspace("unused", Path("unused"), "cpu"))

    assert found.level is Level.NOTE
    assert "precision `auto` is fp32: runs are slower" in found.text


def test_a_processor_with_bf16_is_named_with_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)

    (found,) = machine.processor_findings(Workspace("unused", Path("unused"), "cpu"))

    assert found.level is Level.OK
    assert "avx512_bf16" in found.text
    assert found.text.endswith("on cpu, precision `auto` is bf16")


def test_too_little_memory_is_a_problem(monkeypatch):
    monkeypatch.setattr(machine, "MEMORY_NEEDED", psutil.virtual_memory().total + 1)

    (found,) = machine.memory_findings()

    assert found.level is Level.PROBLEM
    assert "`python -m benchmark run rnn lstm bert-frozen`" in found.text


def test_too_little_room_is_told_of_each_folder_with_its_option(monkeypatch, tmp_path):
    for name in ("CACHE_NEEDED", "STORE_NEEDED"):
        monkeypatch.setattr(machine, name, 2**60)

    found = told(machine.disk_findings(Workspace(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "not" / "yet")))

    assert [level for level, _ in found] == ["problem", "problem"]
    assert f"free in {tmp_path}, and " in found[0][1]
    assert "--cache-dir" in found[0][1]
    assert "--tracking-uri" in found[1][1]


def test_of_a_servers_disk_nobody_can_tell(tmp_path):
    assert len(list(machine.disk_findings(Workspace("http://server", tmp_path)))) == 1


def test_official_reviews_that_are_not_here_are_a_note(tmp_path):
    ((level, text),) = told(official_findings(Place(None, tmp_path)))

    assert level == "note"
    assert "fetch 84 MB" in text


@pytest.mark.parametrize("write", [write_archive, write_folder], ids=["archive", "folder"])
def test_reviews_that_are_not_the_official_ones_are_a_note(tmp_path, write):
    path = write(tmp_path / "mine", members())

    ((level, text),) = told(official_findings(Place(path, tmp_path / "cache")))

    assert level == "note"
    assert "reviews in aclImdb's layout, not the official ones (48 + 48)" in text
    assert not (tmp_path / "cache").exists()


def test_the_official_ones_are_known_by_their_hash(tmp_path, monkeypatch):
    archive = write_archive(tmp_path / "mine.tar.gz", members())
    place = Place(archive, tmp_path / "cache")
    config = sources.DataConfig(source="aclimdb", train_size=2, val_size=2, test_size="all")
    monkeypatch.setattr("benchmark.doctor.inputs.OFFICIAL_FINGERPRINT", sources.load_corpus(config, place).fingerprint)

    ((level, text),) = told(official_findings(place))

    assert (level, text.endswith("with the known hash")) == ("ok", True)


def test_a_named_archive_that_is_damaged_is_told(tmp_path):
    (tmp_path / "mine.tar.gz").write_bytes(b"no archive")

    with pytest.raises(DataError, match=r"cannot be read as a \.tar\.gz .*; download aclImdb_v1\.tar\.gz again"):
        list(official_findings(Place(tmp_path / "mine.tar.gz", tmp_path)))


def test_a_fetched_archive_that_is_damaged_is_told_and_that_a_run_fetches_it_again(tmp_path):
    archive = official_archive(tmp_path)
    archive.parent.mkdir()
    archive.write_bytes(b"no archive")

    ((level, text),) = told(official_findings(Place(None, tmp_path)))

    assert level == "problem"
    assert text.endswith(f"a run that needs it fetches it again; or delete {archive}")
