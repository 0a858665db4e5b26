"""The bag of n-grams has scikit-learn's features and the paper's log-count ratios, whatever the padding and batches."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.feature_extraction.text import CountVectorizer

from data_pipeline.batch import Batch
from models import bow
from models.bow import NO_FEATURE, BagOfNgrams
from models.configs import BowConfig
from tests.helpers.facts import assert_names

TEXTS = [
    "a good film a good film",
    "not a good film",
    "bad bad bad film",
    "a film so bad it is good",
    "it is not so good",
    "it is not bad",
]
LABELS = [1, 0, 0, 1, 0, 1]
WORDS = ["<pad>", "<unk>", *sorted({word for text in TEXTS for word in text.split()})]


def batch_of(texts: Sequence[str], labels: Sequence[int] = (), *, padding: int = 0, junk: int = 0) -> Batch:
    """The texts as ids of WORDS, `padding` places of id `junk` behind the longest one."""
    rows = [[WORDS.index(word) if word in WORDS else 1 for word in text.split()] for text in texts]
    width = max(map(len, rows)) + padding
    return Batch(
        ids=tuple(map(str, range(len(rows)))),
        labels=torch.tensor(list(labels) or [0] * len(rows)),
        input_ids=torch.tensor([row + [junk] * (width - len(row)) for row in rows]),
        lengths=torch.tensor([len(row) for row in rows]),
    )


def build(**settings: object) -> BagOfNgrams:
    settings = {"max_features": 60, "min_count": 1} | settings
    return BagOfNgrams(BowConfig(name="bow", **settings), len(WORDS), 2)


def taught(**settings: object) -> BagOfNgrams:
    model = build(**settings)
    model.learn([batch_of(TEXTS[:2], LABELS[:2]), batch_of(TEXTS[2:], LABELS[2:], padding=2)])
    torch.manual_seed(1)
    with torch.no_grad():
        model.weights.weight.normal_()
        model.bias.fill_(0.25)
    return model


def ngrams(model: BagOfNgrams) -> list[str]:
    spelled = []
    for key in model.keys[model.keys != NO_FEATURE].tolist():
        words, rest = [], key
        while rest:
            rest, word = divmod(rest, len(WORDS))
            words.insert(0, WORDS[word])
        spelled.append(" ".join(words))
    return spelled


def values(model: BagOfNgrams, texts: Sequence[str]) -> dict[str, np.ndarray]:
    """(texts,) value of each n-gram in each text."""
    positions, found = model.features(batch_of(texts))
    dense = torch.zeros(len(texts), len(model.keys)).scatter_add_(1, positions, found).numpy()
    return {name: dense[:, column] for column, name in enumerate(ngrams(model))}


def vectorized(longest: int = 2) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """scikit-learn's features of TEXTS by n-gram, and the sum of each class's, (2, features)."""
    vectorizer = CountVectorizer(binary=True, ngram_range=(1, longest), tokenizer=str.split, token_pattern=None)
    features = vectorizer.fit_transform(TEXTS).toarray()
    names = vectorizer.get_feature_names_out()
    labels = np.array(LABELS)
    return dict(zip(names, features.T, strict=True)), np.stack([features[labels == c].sum(axis=0) for c in (0, 1)])


class TestFeatures:
    @pytest.mark.parametrize("longest", [1, 2, 3])
    def test_without_naive_bayes_they_are_scikit_learns_presence_features(self, longest):
        found = values(taught(ngrams=longest, naive_bayes=False), TEXTS)
        expected, _ = vectorized(longest)

        assert found.keys() == expected.keys()
        for name, column in expected.items():
            np.testing.assert_array_equal(found[name], column, err_msg=name)

    @pytest.mark.parametrize("alpha", [1.0, 0.25])
    def test_with_it_each_is_its_log_count_ratio(self, alpha):
        found = values(taught(alpha=alpha), TEXTS)
        features, counts = vectorized()
        q, p = alpha + counts
        ratios = np.log((p / p.sum()) / (q / q.sum()))

        for ratio, (name, column) in zip(ratios, features.items(), strict=True):
            np.testing.assert_allclose(found[name], column * ratio, rtol=1e-6, err_msg=name)

    def test_many_reviews_are_counted_in_parts_to_the_same_table(self, monkeypatch):
        at_once = taught()
        monkeypatch.setattr(bow, "CHUNK", 5)
        in_parts = taught()

        assert torch.equal(in_parts.keys, at_once.keys)
        assert torch.equal(in_parts.ratios, at_once.ratios)

    def test_those_of_few_reviews_are_left_out_and_of_too_many_those_of_the_most_are_kept(self):
        features, counts = vectorized()
        reviews = dict(zip(features, counts.sum(axis=0), strict=True))
        kept = ngrams(taught(max_features=7))

        assert set(ngrams(taught(min_count=3))) == {name for name, count in reviews.items() if count >= 3}
        assert len(kept) == 7
        assert min(reviews[name] for name in kept) >= max(reviews[name] for name in reviews.keys() - set(kept))

    @pytest.mark.parametrize(
        ("texts", "expected"),
        [
            (["a good strange film"], {"a", "film", "good", "a good"}),
            (["a good", "film so"], {"a", "good", "film", "so", "a good", "film so"}),
        ],
        ids=["unknown word", "next review"],
    )
    def test_none_runs_across_an_unknown_word_or_into_the_next_review(self, texts, expected):
        model = build()
        model.learn([batch_of(texts)])

        assert len(ngrams(model)) == len(expected)
        assert set(ngrams(model)) == expected


class TestLogits:
    def test_they_are_the_weighted_sum_for_positive_and_nothing_for_negative(self):
        model, untrained = taught(), build()
        untrained.learn([batch_of(TEXTS, LABELS)])
        found = np.stack(list(values(model, TEXTS).values()), axis=1)
        weights = model.weights.weight[: found.shape[1], 0].detach().numpy()
        logits = model(batch_of(TEXTS)).detach()

        assert logits.dtype == torch.float32
        np.testing.assert_allclose(logits[:, 1], found @ weights + 0.25, rtol=1e-5)
        assert torch.equal(logits[:, 0], torch.zeros(len(TEXTS)))
        assert torch.equal(untrained(batch_of(TEXTS)), torch.zeros(len(TEXTS), 2))

    @pytest.mark.parametrize("junk", [0, WORDS.index("good")])
    def test_neither_padding_nor_what_stands_in_it_changes_them(self, junk):
        model = taught(ngrams=3)

        torch.testing.assert_close(model(batch_of(TEXTS, padding=5, junk=junk)), model(batch_of(TEXTS)))

    def test_a_review_cut_short_has_the_ngrams_of_what_is_left(self):
        model = taught()
        whole = batch_of(TEXTS)
        whole.lengths.clamp_(max=3)

        torch.testing.assert_close(model(whole), model(batch_of([" ".join(text.split()[:3]) for text in TEXTS])))

    def test_an_unseen_pair_of_known_words_does_nothing(self):
        found = values(taught(naive_bayes=False), ["good bad"])

        assert {name for name, column in found.items() if column[0]} == {"good", "bad"}

    @pytest.mark.parametrize("text", ["strange", "strange words only", ""])
    def test_a_review_without_known_words_gets_the_bias(self, text):
        for texts in ([text, "film"], [text]):
            torch.testing.assert_close(taught(ngrams=3)(batch_of(texts))[0], torch.tensor([0.0, 0.25]))

    def test_dropout_is_on_in_training_alone(self):
        model = taught(dropout=0.5)
        calm = model.eval()(batch_of(TEXTS))

        torch.testing.assert_close(model.eval()(batch_of(TEXTS)), calm)
        assert not torch.equal(model.train()(batch_of(TEXTS)), calm)


class TestState:
    def test_table_and_weights_are_saved_and_part_of_a_checkpoint_until_others_are_learned(self, tmp_path):
        model, loaded, resumed = taught(), build(), build()
        save_file(model.state_dict(), tmp_path / "weights.safetensors")
        loaded.load_state_dict(load_file(tmp_path / "weights.safetensors"))
        resumed.load_trained_state(model.trained_state())

        assert torch.equal(loaded(batch_of(TEXTS)), model(batch_of(TEXTS)))
        assert torch.equal(resumed(batch_of(TEXTS)), model(batch_of(TEXTS)))
        model.learn([batch_of(["a film"])])
        assert ngrams(model) == ["a", "film", "a film"]

    def test_the_table_has_no_gradient_and_each_feature_one_weight(self):
        trained = {name: parameter.shape for name, parameter in build().named_parameters() if parameter.requires_grad}

        assert trained == {"weights.weight": (60, 1), "bias": (1,)}


@pytest.mark.parametrize(
    ("settings", "words", "classes", "facts"),
    [
        ({}, len(WORDS), 3, ["2", "3"]),
        ({"ngrams": 3, "max_features": 1}, 3_000_000, 2, ["3-grams", "3000000", "vocab_size"]),
    ],
    ids=["three classes", "more words than there are keys for"],
)
def test_what_it_cannot_count_is_refused(settings, words, classes, facts):
    with pytest.raises(ValueError, match=r"\d") as error:
        BagOfNgrams(BowConfig(name="bow", **settings), words, classes)
    assert_names(error, *facts)


class TestAttributions:
    @pytest.mark.parametrize("ngrams", [1, 2, 3])
    def test_they_add_up_to_the_log_odds_but_for_the_bias(self, ngrams):
        model = taught(ngrams=ngrams)
        batch = batch_of([*TEXTS, "a never seen film", "nothing known"], padding=2, junk=3)
        found = model.linear_attributions(batch)
        logits = model(batch).double()

        torch.testing.assert_close(found.sum(dim=1), logits[:, 1] - logits[:, 0] - 0.25, rtol=0, atol=1e-5)
        assert found[~batch.attention_mask].count_nonzero() == 0

    def test_an_n_gram_is_shared_by_its_words_and_its_places(self):
        model = taught()
        adds = dict(zip(ngrams(model), (model.ratios * model.weights.weight[:, 0]).tolist(), strict=False))
        (found,) = model.linear_attributions(batch_of(["bad bad film"]))

        once, twice, pair = adds["bad bad"] / 2, adds["bad"] / 2, adds["bad film"] / 2
        assert found.tolist() == pytest.approx([twice + once, twice + once + pair, adds["film"] + pair])
