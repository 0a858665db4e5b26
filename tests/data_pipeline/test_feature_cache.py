import json
import os
import shutil

import numpy as np
import pytest

from data_pipeline.config import TokensConfig
from data_pipeline.feature_cache import cached_features, feature_key
from data_pipeline.files import write_checksums
from tests.helpers.facts import assert_names
from tests.helpers.hostility import refusal

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


def test_features_are_made_once_and_come_back_in_half_precision_and_read_only(tmp_path, fill):
    made, read = (cached_features(tmp_path, "key", SHAPE, fill) for _ in range(2))

    assert fill.calls == 1
    assert made.seconds == read.seconds > 0  # of the making, not of the reading
    for features in (made.array, read.array):
        assert features.dtype == np.float16
        assert (features == VALUES).all()
        with pytest.raises(ValueError, match="read-only"):
            features[0] = 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.with_name("made.json").write_text("{}"),
        lambda file: os.truncate(file, file.stat().st_size - 1),
        lambda file: np.save(file, VALUES[:4].astype(np.float16)),
        lambda file: np.save(file, VALUES.astype(np.float32)),
    ],
)
def test_an_entry_that_does_not_fit_is_rebuilt_even_with_its_own_hashes(tmp_path, fill, damage):
    cached_features(tmp_path, "key", SHAPE, fill)
    damage(tmp_path / "features" / "key" / "features.npy")
    write_checksums(tmp_path / "features" / "key")

    assert (cached_features(tmp_path, "key", SHAPE, fill).array == VALUES).all()
    assert fill.calls == 2


@pytest.mark.parametrize(("save_seconds", "rows"), [(0.0, [3, 4]), (1e9, [0, 1, 2, 3, 4])])
def test_an_interrupted_pass_resumes_after_the_rows_that_were_saved(tmp_path, fill, save_seconds, rows):
    with pytest.raises(KeyboardInterrupt):
        cached_features(tmp_path, "key", SHAPE, Fill(end_before=3), save_seconds)
    assert not (tmp_path / "features" / "key").exists()
    notes = [json.loads(note.read_text()) for note in tmp_path.glob("features/*.unfinished/made.json")]
    assert [note["reviews"] for note in notes] == [3] * (save_seconds == 0)

    features = cached_features(tmp_path, "key", SHAPE, fill)

    assert (features.array == VALUES).all()
    assert fill.rows == rows
    assert features.seconds > sum(note["seconds"] for note in notes)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "made.json").write_text("nonsense"),
        lambda folder: (folder / "features.npy").write_bytes(b"nonsense"),
        lambda folder: np.save(folder / "features.npy", VALUES[:4].astype(np.float16)),
        lambda folder: (folder / "features.npy").unlink(),
    ],
)
def test_a_damaged_unfinished_pass_starts_over(tmp_path, fill, damage):
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


@pytest.mark.parametrize("filled", ["before", "while the pass was interrupted"])
def test_a_full_disk_is_an_error_with_both_sizes_and_not_a_bus_error(tmp_path, monkeypatch, filled):
    """The rows that are missing are a hole in the file until they are written."""

    def one_row(features, done):
        features[done] = 1
        yield done + 1
        raise KeyboardInterrupt

    large = (500_000, 6)
    if filled != "before":
        with pytest.raises(KeyboardInterrupt):
            cached_features(tmp_path, "key", large, one_row, 0.0)
    full = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)

    line = refusal(lambda: cached_features(tmp_path, "key", large, one_row, 0.0))
    assert_names(line, "6 MiB", tmp_path / "features", "0 MiB")


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
def test_the_key_changes_with_everything_that_changes_a_feature_and_only_with_that(other):
    settings = {"encoder_fingerprint": "e", "tokens": TokensConfig(), "precision": "bf16", "ids": ["a", "b"]}

    assert feature_key(**settings) == feature_key(**settings | {"tokens": TokensConfig(vocab_size=10)})
    assert feature_key(**settings | other) != feature_key(**settings)
