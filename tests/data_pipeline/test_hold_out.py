"""Reviews that a challenge set has too are in neither train nor val."""

import pytest

from data_pipeline.challenge_config import ChallengeConfig
from data_pipeline.challenges import ChallengeSet
from data_pipeline.config import DataConfig
from data_pipeline.corpus import audit
from data_pipeline.load import held_out_ids, load_corpus
from data_pipeline.review import identified
from data_pipeline.sources import Place, Source
from tests.helpers.facts import assert_names
from tests.helpers.hostility import refusal

SENTENCES = {"mine": ChallengeConfig(source="rotten-tomatoes")}


def reviews(size: int, what: str = "review"):
    return identified([(f"{('bad', 'good')[i % 2]} {what} {i}", i % 2) for i in range(size)])


def config(train="all", val=20, test=20) -> DataConfig:
    return DataConfig(train_size=train, val_size=val, test_size=test, split_seed=3)


@pytest.mark.parametrize("official", [False, True])
def test_train_and_val_lack_them_and_test_is_the_same(official):
    source = Source("s", reviews(100), reviews(30, "test review") if official else None)
    plain = source.split(config())
    held_out = frozenset(review.id for review in (*plain.train[:10], *plain.val[:4], *plain.test[:5]))
    corpus = source.split(config(), held_out)

    assert corpus.test == plain.test
    assert not held_out & {review.id for review in (*corpus.train, *corpus.val)}
    assert (len(corpus.val), len(corpus.train)) == (20, len(plain.train) - 14)
    assert corpus.held_out == 14  # those of a test part that is cut from the same reviews stay there
    assert corpus.split_fingerprint != plain.split_fingerprint
    assert corpus.fingerprint == plain.fingerprint
    assert_names(audit(corpus)[1], "14 reviews", "train", "val", "challenge")


def test_where_the_source_has_none_of_them_the_split_is_as_without():
    source = Source("s", reviews(100))

    assert source.split(config(), frozenset({"no-such-review"})) == source.split(config())


def test_sizes_and_shares_are_of_all_reviews_and_too_large_ones_are_refused_with_the_cure():
    source = Source("s", reviews(100))
    held_out = frozenset(review.id for review in source.split(config()).train[:10])

    assert [len(part) for part in source.split(config(0.3, 0.2, 10), held_out).parts.values()] == [30, 20, 10]
    assert source.split(config(50), held_out).held_out == 10
    assert_names(refusal(lambda: source.split(config(55), held_out)), "train_size", "10", "to 50 or less")


@pytest.fixture
def read_set(monkeypatch):
    """`read_set("a text")` makes a set with that text what is read; `places` says from where."""
    places = []

    def make(*texts: str) -> list[Place]:
        def load(configs, place, test, *, download=True):
            places.append(place)
            return [ChallengeSet(name, "made up", tuple(identified([(text, 0) for text in texts]))) for name in configs]

        monkeypatch.setattr("data_pipeline.load.load_challenges", load)
        return places

    return make


def test_a_text_is_the_same_whatever_its_markup_case_and_punctuation(read_set):
    source = reviews(10)
    places = read_set("GOOD,<br />review... 3", "another")

    assert held_out_ids(source, SENTENCES, Place()) == {source[3].id}
    assert places == [Place()]


def test_changed_test_reviews_hold_nothing_out_and_are_not_made_for_it(read_set):
    places = read_set("good review 3")
    changed = {"typos": ChallengeConfig(source="perturbation", change="typos")}

    assert held_out_ids(reviews(10), changed, Place()) == held_out_ids(reviews(10), {}, Place()) == set()
    assert places == []


def test_a_corpus_is_loaded_without_them(read_set, reviews_csv, tmp_path):
    settings = DataConfig(source="table", path=reviews_csv, train_size="all", val_size=50, test_size=60, split_seed=7)
    plain = load_corpus(settings)
    places = read_set(plain.train[0].text.upper(), plain.test[0].text)
    corpus = load_corpus(settings, Place(tmp_path), SENTENCES)

    assert corpus.held_out == 1
    assert plain.train[0] not in corpus.train + corpus.val
    assert corpus.test == plain.test
    assert places == [Place(tmp_path)]
