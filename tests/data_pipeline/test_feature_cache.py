import os
import shutil

import numpy as np
import pytest

from data_pipeline.config import TokensConfig
from data_pipeline.errors import DataError
from data_pipeline.feature_cache import cached_features, feature_key

SHAPE = (5, 2, 3)
VALUES = np.arange(30).reshape(SHAPE)


class Fill:
    """Writes VALUES and counts how often it is asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self, features):
        self.calls += 1
        features[:] = VALUES


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

    assert (cached_features(tmp_path, "key", SHAPE, fill).array == VALUES).all()
    assert fill.calls == 2


def test_an_interrupted_pass_leaves_nothing_that_looks_complete(tmp_path, fill):
    def interrupt(features):
        features[0] = 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_features(tmp_path, "key", SHAPE, interrupt)

    assert list((tmp_path / "features").glob("**/*.npy")) == []
    assert (cached_features(tmp_path, "key", SHAPE, fill).array == VALUES).all()


def test_a_full_disk_is_a_message_and_not_a_bus_error(tmp_path, fill, monkeypatch):
    full = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)

    with pytest.raises(DataError, match=r"features need .* free some space"):
        cached_features(tmp_path, "key", SHAPE, fill)
    assert fill.calls == 0


@pytest.mark.parametrize(
    "other",
    [
        {"encoder_fingerprint": "x"},
        {"tokens": TokensConfig(max_length=128)},
        {"tokens": TokensConfig(truncation="tail")},
        {"precision": "fp32"},
        {"ids": ["b", "a"]},
    ],
)
def test_the_key_knows_everything_that_changes_a_feature(other):
    settings = {"encoder_fingerprint": "e", "tokens": TokensConfig(), "precision": "bf16", "ids": ["a", "b"]}

    assert feature_key(**settings) == feature_key(**settings)
    assert feature_key(**settings | other) != feature_key(**settings)


def test_the_key_does_not_know_what_word_pieces_do_not():
    few, many = (TokensConfig(vocab_size=size) for size in (10, 1000))

    assert feature_key("e", few, "bf16", ["a"]) == feature_key("e", many, "bf16", ["a"])
