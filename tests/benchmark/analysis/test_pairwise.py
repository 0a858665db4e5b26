"""All methods together: which statement is made, and that its parts agree."""

import numpy as np
import pytest

from benchmark.analysis.intervals import accuracy_interval, network_difference_interval
from benchmark.analysis.pairwise import compare_all, compare_all_networks
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

        assert found.about == "methods"
        assert list(found.rows) == ["bert-finetuned", "lstm", "rnn"]
        assert found.rows == {name: accuracy_interval(suite[name]) for name in found.rows}
        assert found.letters == {"bert-finetuned": "a", "lstm": "b", "rnn": "b"}
        assert found.left_out == ()

    def test_pairs_are_those_of_the_test_corrected_together(self, suite):
        pairs = compare_all(suite).pairs

        assert [(pair.first, pair.second) for pair in pairs] == [
            ("bert-finetuned", "lstm"),
            ("bert-finetuned", "rnn"),
            ("lstm", "rnn"),
        ]
        for pair in pairs:
            expected = compare_methods(suite[pair.first], suite[pair.second])
            assert (pair.difference, pair.interval, pair.p) == (expected.difference, expected.interval, expected.p)
        assert [pair.adjusted_p for pair in pairs] == holm([pair.p for pair in pairs])
        assert all(pair.smallest_detectable is None for pair in pairs)

    def test_a_method_with_one_seed_is_left_out_and_said_to_be(self, suite):
        found = compare_all({**suite, "bow": suite["rnn"][:1]})

        assert (found.about, found.left_out) == ("methods", ("bow",))
        assert len(found.pairs) == 3
        assert "bow" not in found.letters
        assert found.rows["bow"].about == "network"


class TestNetworks:
    def test_one_seed_each_makes_a_statement_about_networks(self, suite):
        networks = {name: correct[:1] for name, correct in suite.items()}
        found = compare_all(networks)

        assert (found.about, found.left_out) == ("networks", ())
        assert {row.about for row in found.rows.values()} == {"network"}
        pair = found.pairs[0]
        one, other = networks[pair.first][0], networks[pair.second][0]
        assert pair.p == mcnemar_exact(one, other)
        assert pair.discordance == np.mean(one != other)
        assert pair.interval == network_difference_interval(one, other)
        detectable = smallest_detectable_difference(2000, pair.discordance, alpha=0.05 / 3)
        assert pair.smallest_detectable == detectable

    def test_of_several_seeds_the_first_speaks_not_the_best(self, suite):
        rows = compare_all_networks(suite).rows

        assert {name: row.accuracy for name, row in rows.items()} == {name: suite[name][0].mean() for name in suite}
        # one method alone has several seeds, which is no comparison of methods
        assert compare_all({"rnn": suite["rnn"], "lstm": suite["lstm"][:1]}).about == "networks"


def test_one_method_alone_has_a_row_and_a_letter_and_none_has_nothing(suite):
    alone, none = compare_all({"rnn": suite["rnn"]}), compare_all({})

    assert (list(alone.rows), alone.pairs, alone.letters) == (["rnn"], (), {"rnn": "a"})
    assert (none.rows, none.pairs, none.letters) == ({}, (), {})


def test_equal_accuracies_keep_the_order_given(suite):
    found = compare_all({"second": suite["rnn"], "first": suite["rnn"]})

    assert list(found.rows) == ["second", "first"]
    assert found.letters == {"second": "a", "first": "a"}
    assert found.pairs[0].p == 1.0


def test_a_method_that_draws_nothing_may_be_given_its_one_row_twice(suite):
    found = compare_all({"lstm": suite["lstm"], "bow": np.repeat(suite["bert-finetuned"][:1], 2, axis=0)})

    assert found.rows["bow"].seed_sd == 0
    assert found.letters == {"bow": "a", "lstm": "b"}
