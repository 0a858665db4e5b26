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

        assert (found.about, found.left_out) == ("methods", ())
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
            assert pair.smallest_detectable is None
        assert [pair.adjusted_p for pair in found.pairs] == holm([pair.p for pair in found.pairs])
        assert found.pair("rnn", "lstm") is found.pairs[2]

    def test_a_method_with_one_seed_is_left_out_and_named(self, suite):
        found = compare_all({**suite, "bow": suite["rnn"][:1]})

        assert (found.about, found.left_out) == ("methods", ("bow",))
        assert len(found.pairs) == 3
        assert "bow" not in found.letters


def test_one_seed_per_model_makes_a_statement_about_networks(suite):
    found = compare_all({name: correct[:1] for name, correct in suite.items()})

    assert (found.about, found.left_out) == ("networks", ())
    pair = found.pairs[0]
    one, other = suite[pair.first][0], suite[pair.second][0]
    assert (pair.difference, pair.p) == (one.mean() - other.mean(), mcnemar_exact(one, other))
    assert pair.discordance == np.mean(one != other)
    assert pair.interval == network_difference_interval(one, other)
    assert pair.smallest_detectable == smallest_detectable_difference(2000, pair.discordance, alpha=0.05 / 3)


def test_of_several_seeds_the_first_one_is_compared_with_a_model_of_one_seed(suite):
    found = compare_all({"rnn": suite["rnn"], "lstm": suite["lstm"][:1]})

    assert found.about == "networks"
    assert found.pairs == compare_all({"rnn": suite["rnn"][:1], "lstm": suite["lstm"][:1]}).pairs


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
