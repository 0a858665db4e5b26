"""All methods together: which statement is made, and that its parts agree."""

import numpy as np
import pytest
from scipy import stats

from benchmark.analysis.intervals import network_difference_interval
from benchmark.analysis.pairwise import better_than_constant, compare_all
from benchmark.analysis.significance import compare_methods, holm, mcnemar_exact, smallest_detectable_difference


@pytest.fixture
def suite(answers):
    """Worst first: two close methods, one far better."""
    chance = np.random.default_rng(0)
    accuracies = {"rnn": 0.70, "lstm": 0.72, "bert-finetuned": 0.88}
    return {name: answers(chance, 4, 2000, accuracy=accuracy, seed_sd=0.005) for name, accuracy in accuracies.items()}


class TestMethods:
    def test_several_seeds_make_a_statement_about_methods(self, suite):
        found = compare_all(suite)

        assert found.about == ("methods",)
        assert found.letters == {"bert-finetuned": "a", "lstm": "b", "rnn": "b"}
        assert list(found.letters) == ["bert-finetuned", "lstm", "rnn"]

    def test_pairs_are_those_of_the_test_corrected_together(self, suite):
        found = compare_all(suite)
        pairs = [("bert-finetuned", "lstm"), ("bert-finetuned", "rnn"), ("lstm", "rnn")]

        assert [(pair.first, pair.second) for pair in found.pairs] == pairs
        for pair in found.pairs:
            one, other = suite[pair.first], suite[pair.second]
            assert (pair.interval, pair.p) == compare_methods(one, other)
            assert pair.difference == one.mean() - other.mean()
            assert (pair.about, pair.smallest_detectable) == ("methods", None)
        assert [pair.adjusted_p for pair in found.pairs] == holm([pair.p for pair in found.pairs])
        assert found.pair("rnn", "lstm") is found.pairs[2]


class TestOneSeedBesideSeveral:
    def test_those_of_several_are_compared_as_methods_and_the_others_as_networks(self, suite):
        found = compare_all({**suite, "bow": suite["rnn"][:1], "gru": suite["lstm"][:1]})

        assert len(found.pairs) == 10
        for pair in found.pairs:
            assert pair.about == ("networks" if {"bow", "gru"} & {pair.first, pair.second} else "methods")
        assert set(found.letters) == {*suite, "bow", "gru"}
        assert found.about == ("methods", "networks")
        assert len({pair.test for pair in found.pairs}) == 2

    def test_each_network_of_the_one_is_compared_with_the_other_and_the_largest_p_counts(self, suite):
        several, single = suite["bert-finetuned"], suite["rnn"][0]
        (pair,) = compare_all({"rnn": single[np.newaxis], "bert-finetuned": several}).pairs
        intervals = [network_difference_interval(correct, single) for correct in several]

        assert (pair.first, pair.difference) == ("bert-finetuned", several.mean() - single.mean())
        assert pair.p == max(mcnemar_exact(correct, single) for correct in several)
        assert pair.interval == (min(low for low, _ in intervals), max(high for _, high in intervals))
        assert pair.smallest_detectable is None

    def test_one_network_that_is_not_in_the_order_of_the_means_is_enough_to_separate_nothing(self):
        several = np.stack([np.arange(1000) < 950, np.arange(1000) < 940, np.arange(1000) < 790])
        (pair,) = compare_all({"lstm": several, "rnn": (np.arange(1000) < 800)[np.newaxis]}).pairs

        assert (pair.first, pair.p) == ("lstm", 1.0)
        assert pair.interval.low < 0 < pair.interval.high

    def test_holm_corrects_over_all_pairs_and_the_better_one_is_first(self, suite):
        found = compare_all({**suite, "bow": suite["lstm"][:1]})

        assert [pair.adjusted_p for pair in found.pairs] == holm([pair.p for pair in found.pairs])
        assert all(pair.difference >= 0 for pair in found.pairs)


def test_one_seed_per_model_makes_a_statement_about_networks(suite):
    found = compare_all({name: correct[:1] for name, correct in suite.items()})

    assert found.about == ("networks",)
    pair = found.pairs[0]
    one, other = suite[pair.first][0], suite[pair.second][0]
    assert (pair.difference, pair.p) == (one.mean() - other.mean(), mcnemar_exact(one, other))
    assert pair.discordance == np.mean(one != other)
    assert pair.interval == network_difference_interval(one, other)
    assert pair.smallest_detectable == smallest_detectable_difference(2000, pair.discordance, alpha=0.05 / 3)


def test_equal_accuracies_keep_the_order_given(suite):
    found = compare_all({"second": suite["rnn"], "first": suite["rnn"]})

    assert list(found.letters) == ["second", "first"]
    assert found.letters == {"second": "a", "first": "a"}
    assert found.pairs[0].p == 1.0


def test_a_method_that_draws_nothing_may_be_given_its_one_row_twice(suite):
    found = compare_all({"lstm": suite["lstm"], "bow": np.repeat(suite["bert-finetuned"][:1], 2, axis=0)})

    assert found.letters == {"bow": "a", "lstm": "b"}


class TestTheConstantAnswer:
    def test_each_network_is_compared_by_the_exact_test_and_the_largest_p_is_corrected_over_the_models(self, suite):
        constant = np.arange(2000) % 10 < 7
        found = better_than_constant(suite, constant)

        largest = []
        for networks in suite.values():
            ours = [np.count_nonzero(correct & ~constant) for correct in networks]
            theirs = [np.count_nonzero(constant & ~correct) for correct in networks]
            alone = [stats.binomtest(n, n + m).pvalue if n > m else 1.0 for n, m in zip(ours, theirs, strict=True)]
            largest.append(max(alone))
        assert list(found.values()) == holm(largest)
        assert found["bert-finetuned"] < 0.001

    def test_two_seeds_that_scatter_are_both_far_better(self):
        constant, reviews = np.arange(2000) % 2 == 0, np.arange(2000)
        networks = np.stack([reviews % 10 < 8, reviews % 100 < 86])

        assert better_than_constant({"rnn": networks, "lstm": networks}, constant)["rnn"] < 0.001

    @pytest.mark.parametrize("other", [0.95, 0.9])
    def test_one_network_that_is_not_above_it_is_enough(self, other):
        constant = np.arange(60) < 57
        networks = np.stack([np.arange(60) < 60, np.arange(60) < 60 * other])

        assert better_than_constant({"bow": networks}, constant) == {"bow": 1.0}
