import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from data_pipeline.checksums import write_checksums
from data_pipeline.config import TokensConfig
from data_pipeline.errors import DataError
from data_pipeline.feature_cache import cached_features, feature_key

SHAPE = (5, 2, 3)
VALUES = np.arange(30).reshape(SHAPE)


class Fill:
    """Writes VALUES, row by row, and counts how often it is asked and what it wrote."""

    def __init__(self, end_before=None):
        self.calls, self.rows, self.end_before = 0, [], end_before

    def __call__(self, features, done):
        self.calls += 1
        for row in range(done, len(VALUES)):
            if row == self.end_before:
                raise KeyboardInterrupt
            features[row] = VALUES[row]
            self.rows.append(row)
            yield row + 1


@pytest.fixture
def fill():
    return Fill()


def test_features_come_back_in_half_precision_and_read_only(tmp_path, fill):
    features = cached_features(tmp_path, "key", SHAPE, fill).array

    assert features.dtype == np.float16
    assert (features == VALUES).all()
    with pytest.raises(ValueError, match="read-only"):
        features[0] = 0


def test_the_encoder_works_once(tmp_path, fill):
    for _ in range(2):
        assert (cached_features(tmp_path, "key", SHAPE, fill).array == VALUES).all()
    assert fill.calls == 1


def test_the_seconds_are_those_of_the_making_and_not_of_the_reading(tmp_path, fill):
    made, read = (cached_features(tmp_path, "key", SHAPE, fill).seconds for _ in range(2))

    assert made == read > 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.with_name("made.json").write_text("{}"),
        lambda file: os.truncate(file, file.stat().st_size - 1),
        lambda file: file.write_bytes(b"nonsense"),
        lambda file: np.save(file, VALUES[:4].astype(np.float16)),
        lambda file: np.save(file, VALUES.astype(np.float32)),
    ],
)
def test_a_damaged_entry_is_made_again(tmp_path, fill, damage):
    cached_features(tmp_path, "key", SHAPE, fill)
    damage(tmp_path / "features" / "key" / "features.npy")
    write_checksums(tmp_path / "features" / "key")

    assert (cached_features(tmp_path, "key", SHAPE, fill).array == VALUES).all()
    assert fill.calls == 2


def test_a_feature_that_changed_on_disk_is_never_read(tmp_path, fill):
    file = cached_features(tmp_path, "key", SHAPE, fill).array.base.filename
    content = bytearray(Path(file).read_bytes())
    content[-1] ^= 1
    Path(file).write_bytes(content)

    assert (cached_features(tmp_path, "key", SHAPE, fill).array == VALUES).all()
    assert fill.calls == 2


def test_an_interrupted_pass_leaves_nothing_that_looks_complete(tmp_path, fill):
    with pytest.raises(KeyboardInterrupt):
        cached_features(tmp_path, "key", SHAPE, Fill(end_before=2))

    assert not (tmp_path / "features" / "key").exists()
    assert (cached_features(tmp_path, "key", SHAPE, fill).array == VALUES).all()


@pytest.mark.parametrize(("save_seconds", "rows"), [(0.0, [3, 4]), (1e9, [0, 1, 2, 3, 4])])
def test_an_interrupted_pass_goes_on_after_what_was_written_down(tmp_path, fill, save_seconds, rows):
    with pytest.raises(KeyboardInterrupt):
        cached_features(tmp_path, "key", SHAPE, Fill(end_before=3), save_seconds)
    before = _seconds_noted(tmp_path)
    features = cached_features(tmp_path, "key", SHAPE, fill)

    assert (features.array == VALUES).all()
    assert fill.rows == rows
    assert features.seconds > before


def _seconds_noted(folder):
    notes = list(folder.glob("features/*.unfinished/made.json"))
    return json.loads(notes[0].read_text())["seconds"] if notes else 0.0


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "made.json").write_text("nonsense"),
        lambda folder: (folder / "features.npy").write_bytes(b"nonsense"),
        lambda folder: np.save(folder / "features.npy", VALUES[:4].astype(np.float16)),
        lambda folder: (folder / "features.npy").unlink(),
    ],
)
def test_what_an_interrupted_pass_left_is_not_trusted_when_damaged(tmp_path, fill, damage):
    with pytest.raises(KeyboardInterrupt):
        cached_features(tmp_path, "key", SHAPE, Fill(end_before=3), 0.0)
    damage(tmp_path / "features" / "key.unfinished")

    assert (cached_features(tmp_path, "key", SHAPE, fill).array == VALUES).all()
    assert fill.rows == [0, 1, 2, 3, 4]


def test_a_pass_that_fails_leaves_nothing(tmp_path):
    def fail(features, done):
        yield 1
        raise ValueError("out of luck")

    with pytest.raises(ValueError, match="out of luck"):
        cached_features(tmp_path, "key", SHAPE, fail, 0.0)

    assert not list((tmp_path / "features").glob("key*/*"))


def test_a_full_disk_is_a_message_and_not_a_bus_error(tmp_path, fill, monkeypatch):
    full = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)

    with pytest.raises(DataError, match=r"features need .* free some space"):
        cached_features(tmp_path, "key", SHAPE, fill)
    assert fill.calls == 0


def test_so_is_one_that_was_filled_while_the_pass_was_interrupted(tmp_path, monkeypatch):
    """The rows that are missing are a hole in the file until they are written."""

    def one_row(features, done):
        features[done] = 1
        yield done + 1
        raise KeyboardInterrupt

    large = (500_000, 6)
    with pytest.raises(KeyboardInterrupt):
        cached_features(tmp_path, "key", large, one_row, 0.0)
    full = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)

    with pytest.raises(DataError, match=r"features need .* free some space"):
        cached_features(tmp_path, "key", large, one_row, 0.0)


@pytest.mark.parametrize(
    "other",
    [
        {"encoder_fingerprint": "x"},
        {"tokens": TokensConfig(max_length=128)},
        {"tokens": TokensConfig(truncation="tail")},
        {"precision": "fp32"},
        {"ids": ["b", "a"]},
        {"maker": "a plugin"},
    ],
)
def test_the_key_knows_everything_that_changes_a_feature(other):
    settings = {"encoder_fingerprint": "e", "tokens": TokensConfig(), "precision": "bf16", "ids": ["a", "b"]}

    assert feature_key(**settings) == feature_key(**settings)
    assert feature_key(**settings | other) != feature_key(**settings)


def test_the_key_does_not_know_what_word_pieces_do_not():
    few, many = (TokensConfig(vocab_size=size) for size in (10, 1000))

    assert feature_key("e", few, "bf16", ["a"]) == feature_key("e", many, "bf16", ["a"])
