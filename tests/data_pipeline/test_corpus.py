import hashlib
import random

import pytest

from data_pipeline.config import DataConfig
from data_pipeline.corpus import audit
from data_pipeline.corpus import make_corpus as corpus_of_reviews
from data_pipeline.review import identified as reviews
from data_pipeline.review import review_ids
from data_pipeline.split import split
from tests.helpers.facts import assert_names
from tests.helpers.hostility import refusal


def config(train=20, val=10, test=14, seed=3):
    return DataConfig(train_size=train, val_size=val, test_size=test, split_seed=seed)


def pairs(negative=50, positive=50):
    return [(f"bad {i}", 0) for i in range(negative)] + [(f"good {i}", 1) for i in range(positive)]


def make_corpus(rows, settings):
    return corpus_of_reviews("c", reviews(rows), settings)


def ids(part):
    return [review.id for review in part]


class TestIds:
    def test_an_id_hashes_label_and_text_and_counts_repetitions(self):
        content = hashlib.sha256(b"1\0good").hexdigest()[:16]

        assert review_ids([("good", 1), ("bad", 0), ("good", 1)])[::2] == [f"{content}-0", f"{content}-1"]
        assert len({*review_ids([("a<br />b", 1), ("a b", 1)]), *review_ids([("a b", 0), ("a b", 1)])}) == 3


class TestSplit:
    def test_each_part_has_the_size_asked_for_and_both_classes_equally(self):
        parts = split(reviews(pairs()), config())

        assert {name: len(part) for name, part in parts.items()} == {"train": 20, "val": 10, "test": 14}
        assert {name: sum(r.label for r in part) for name, part in parts.items()} == {"train": 10, "val": 5, "test": 7}

    def test_a_size_may_be_a_share_of_all_without_duplicates_and_a_table_is_shared_by_default(self):
        source = reviews([*pairs(150, 150), ("good 0", 1)])
        table = DataConfig(source="table", path="mine.csv")

        assert {name: len(part) for name, part in split(source, table).items()} == {"test": 60, "val": 30, "train": 210}
        shares = table.model_copy(update={"train_size": 0.5, "val_size": 0.001})
        assert {name: len(part) for name, part in split(source, shares).items()} == {"test": 60, "val": 2, "train": 150}

    def test_each_review_is_in_one_part_in_which_classes_are_mixed(self):
        parts = split(reviews(pairs()), config(train=60, val=20, test=20))
        labels = [review.label for review in parts["train"]]

        assert len({id_ for part in parts.values() for id_ in ids(part)}) == 100
        assert labels not in (sorted(labels), sorted(labels, reverse=True))

    def test_a_smaller_train_part_lies_within_a_larger_one_beside_the_same_val_and_test(self):
        source = reviews(pairs(500, 400))
        small, large = split(source, config(train=101)), split(source, config(train=500))

        assert set(ids(small["train"])) < set(ids(large["train"]))
        assert small["val"] == large["val"]
        assert small["test"] == large["test"]

    def test_the_seed_decides_what_is_held_out_and_the_source_order_does_not(self):
        source = reviews(pairs())
        shuffled = random.Random(0).sample(source, len(source))  # noqa: S311

        assert split(source, config()) == split(shuffled, config())
        assert set(ids(split(source, config(seed=1))["test"])) != set(ids(split(source, config(seed=2))["test"]))

    def test_every_size_that_fits_is_served_to_within_one_review_of_the_share(self):
        for case in range(50):
            chance = random.Random(case)  # noqa: S311
            negative, positive = chance.randint(20, 60), chance.randint(20, 60)
            test, val = chance.randint(6, 12), chance.randint(6, 12)
            sizes = {"test": test, "val": val, "train": negative + positive - test - val}

            parts = split(reviews(pairs(negative, positive)), config(**sizes))

            for name, size in sizes.items():
                assert len(parts[name]) == size
                assert abs(sum(r.label for r in parts[name]) - size * positive / (negative + positive)) <= 1


class TestDuplicates:
    def test_a_repeated_text_is_used_once_and_one_with_both_labels_never(self):
        source = reviews(pairs(20, 20) + pairs(20, 20) + [("good 0", 0)])
        parts = split(source, config(train=19, val=10, test=10))
        texts = [r.text for part in parts.values() for r in part]

        assert len(set(texts)) == len(texts) == 39
        assert "good 0" not in texts

    def test_the_audit_of_a_split_corpus_is_clean_and_counts_what_was_left_out(self):
        classes, left_out = audit(make_corpus(pairs() + pairs(), config()))

        assert_names(classes, "train 10 + 10", "val 5 + 5", "test 7 + 7")
        assert left_out.startswith("100 reviews")
        assert make_corpus([*pairs(), ("good 0", 1), ("bad 1", 1)], config()).left_out == 3


class TestFingerprints:
    def test_the_corpus_fingerprint_knows_the_content_and_not_the_order_or_the_split(self):
        fingerprint = make_corpus(pairs(), config()).fingerprint

        assert make_corpus(pairs()[::-1], config(train=30)).fingerprint == fingerprint
        assert make_corpus([*pairs(), ("one more", 1)], config()).fingerprint != fingerprint
        assert make_corpus([*pairs()[:-1], ("good 99", 0)], config()).fingerprint != fingerprint

    def test_the_split_fingerprint_changes_with_sizes_and_seed(self):
        found = {
            make_corpus(pairs(), settings).split_fingerprint
            for settings in (config(), config(train=22), config(val=12), config(test=16), config(seed=4))
        }

        assert len(found) == 5


@pytest.mark.parametrize(
    ("rows", "sizes", "facts"),
    [
        (pairs(), {"train": 100, "val": 30, "test": 14}, ["144", "100", "train_size", "56"]),
        (pairs() * 2, {"train": 20, "val": 10, "test": 90}, ["120", "100", "test_size", "70"]),
        (pairs(), {"train": 100, "val": 100, "test": 100}, ["300", "100", "train_size", "val_size", "test_size"]),
        (pairs(98, 2), {"train": 20, "val": 5, "test": 30}, ["val", "positive", "val_size"]),
    ],
    ids=["one size too large", "duplicates do not count", "all too large", "a part without one of the classes"],
)
def test_sizes_that_the_source_cannot_fill_are_refused_with_the_cure(rows, sizes, facts):
    assert_names(refusal(lambda: make_corpus(rows, config(**sizes))), *facts)
