"""Processor, memory and disk; the official reviews."""

from pathlib import Path

import psutil
import pytest
import torch

from benchmark.doctor import machine
from benchmark.doctor.finding import NOTE, OK, PROBLEM
from benchmark.doctor.inputs import challenge_findings, official_findings
from benchmark.plan.workspace import Workspace
from data_pipeline import sources
from data_pipeline.errors import DataError
from data_pipeline.load import load_corpus
from data_pipeline.sources import Place, official_archive
from tests.helpers.facts import assert_names
from tests.helpers.official import members, write_archive, write_folder


@pytest.mark.parametrize("has_bf16", [True, False])
def test_a_processor_without_bf16_is_a_note(monkeypatch, has_bf16):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)

    (found,) = machine.processor_findings(Workspace("unused", Path("unused"), "cpu"))

    assert found.level == (OK if has_bf16 else NOTE)
    assert_names(found.text, "avx512_bf16", "cpu", "`auto` is " + ("bf16" if has_bf16 else "fp32"))


def test_a_machine_that_other_programs_use_is_a_note(monkeypatch):
    monkeypatch.setattr(machine, "taken_now", lambda threads: 0.4)

    found = next(machine.processor_findings(Workspace("unused", Path("unused"), "cpu")))

    assert found.level == NOTE
    assert_names(found.text, "40 %", "`throughput`")


def test_too_little_memory_is_a_problem(monkeypatch):
    monkeypatch.setattr(machine, "MEMORY_NEEDED", psutil.virtual_memory().total + 1)

    (found,) = machine.memory_findings()

    assert found.level == PROBLEM
    assert "`python -m benchmark run rnn lstm bert-frozen`" in found.text


def test_too_little_room_is_reported_of_each_folder_with_its_option_but_not_of_a_servers(monkeypatch, tmp_path):
    for name in ("CACHE_NEEDED", "STORE_NEEDED"):
        monkeypatch.setattr(machine, name, 2**60)

    cache, store = machine.disk_findings(Workspace(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "not/yet"))

    assert cache[0] == store[0] == PROBLEM
    assert_names(cache[1], tmp_path, "--cache-dir")
    assert "--tracking-uri" in store[1]
    assert len(list(machine.disk_findings(Workspace("http://server", tmp_path)))) == 1


def test_official_reviews_that_are_not_here_are_a_note(tmp_path):
    ((level, text),) = official_findings(Place(None, tmp_path))

    assert level == NOTE
    assert "84 MB" in text


@pytest.mark.parametrize("write", [write_archive, write_folder], ids=["archive", "folder"])
def test_reviews_that_are_not_the_official_ones_are_a_note(tmp_path, write):
    path = write(tmp_path / "mine", members())

    ((level, text),) = official_findings(Place(path, tmp_path / "cache"))

    assert level == NOTE
    assert_names(text, "aclImdb", "48 + 48")
    assert not (tmp_path / "cache").exists()


def test_the_official_ones_are_known_by_their_hash(tmp_path, monkeypatch):
    archive = write_archive(tmp_path / "mine.tar.gz", members())
    place = Place(archive, tmp_path / "cache")
    config = sources.DataConfig(source="aclimdb", train_size=2, val_size=2, test_size="all")
    monkeypatch.setattr("benchmark.doctor.inputs.OFFICIAL_FINGERPRINT", load_corpus(config, place).fingerprint)

    ((level, text),) = official_findings(place)

    assert level == OK
    assert "hash" in text


def test_a_damaged_archive_is_an_error_where_it_was_named_and_a_problem_where_it_was_fetched(tmp_path):
    named, fetched = tmp_path / "mine.tar.gz", official_archive(tmp_path)
    fetched.parent.mkdir()
    for archive in (named, fetched):
        archive.write_bytes(b"no archive")

    with pytest.raises(DataError) as caught:
        list(official_findings(Place(named, tmp_path)))
    assert_names(caught, "mine.tar.gz", "aclImdb_v1.tar.gz")

    ((level, text),) = official_findings(Place(None, tmp_path))
    assert level == PROBLEM
    assert_names(text, fetched, "delete")


def test_challenge_sets_are_read_where_they_are_here_and_never_downloaded(tmp_path, monkeypatch, write_config):
    entries = {
        "sentences": {"source": "rotten-tomatoes"},
        "published": {"source": "counterfactual"},
        "mine": {"source": "table", "path": "lost.csv"},
        "typos": {"source": "perturbation", "change": "typos"},
    }
    write_config(challenges=entries)
    monkeypatch.chdir(tmp_path)

    here, absent, lost = challenge_findings(Place(None, tmp_path))

    assert [each.level for each in (here, absent, lost)] == [OK, NOTE, PROBLEM]
    assert_names(here.text, "sentences", "8,530")
    assert_names(absent.text, "published", "`--data-dir DIR`")
    assert_names(lost.text, tmp_path / "lost.csv")
    assert list(tmp_path.iterdir()) == [tmp_path / "experiments.yaml"]
