"""Every figure on a challenge set, computed again from the predictions alone: scikit-learn, statsmodels, numpy."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn import metrics
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from benchmark.report.forms import report_json
from benchmark.report.table import Report, make_report
from tests.helpers.made_page import MadePage

MODELS = {"rnn": 0.80, "lstm": 0.85, "bert-frozen": 0.83, "bow": 0.86}
SETS = {
    "counterfactual": {"rnn": 0.58, "lstm": 0.7, "bert-frozen": 0.8, "bow": 0.71},
    "films": {"rnn": 0.66, "lstm": 0.76, "bow": 0.68},
}
LEAKED = 30


def predictions(labels, logits, challenge=None) -> pd.DataFrame:
    """Labels and probabilities and, where the set has them, groups and originals."""
    table = pd.DataFrame({"label": labels, "positive": softmax(logits.astype(float), axis=1)[:, 1]})
    if challenge is not None and challenge.groups is not None:
        table = table.assign(group=challenge.groups, original=challenge.original)
    return table


def tables(leaked=0) -> tuple[Report, dict[str, pd.DataFrame], dict[str, dict[str, pd.DataFrame]]]:
    """The report, and the predictions that it is made of: by model on the test part, by set and model elsewhere."""
    results = MadePage(seeds=(1,), accuracy=MODELS, challenges=SETS, leaked=leaked).results()
    names = {run.run_id: run.experiment for run in results.runs}
    test = {names[run_id]: predictions(results.labels, logits) for run_id, logits in results.logits.items()}
    elsewhere = {
        each.name: {names[run_id]: predictions(each.labels, logits, each) for run_id, logits in each.logits.items()}
        for each in results.challenges
    }
    return make_report(results), test, elsewhere


def right(table) -> np.ndarray:
    return ((table["positive"] > 0.5) == table["label"]).to_numpy()


def accuracy(table) -> float:
    return 100 * metrics.accuracy_score(table["label"], table["positive"] > 0.5)


def ends(low, high, sign="") -> str:
    return f"{100 * low:{sign}.2f} to {100 * high:{sign}.2f}"


def from_test(there, test) -> str:
    counts = (right(there).sum(), len(there), right(test).sum(), len(test))
    interval = ends(*confint_proportions_2indep(*counts, method="newcomb"), "+")
    return f"{accuracy(there) - accuracy(test):+.2f} ({interval})"


def both_right(table) -> str:
    groups = table.assign(right=right(table)).groupby("group")["right"].all()
    interval = proportion_confint(groups.sum(), len(groups), method="wilson")
    return f"{100 * groups.mean():.2f} ({ends(*interval)})"


def calibration_error(table) -> float:
    """By Guo et al.'s formula: |right - sure| in each of 15 bins, weighted by their reviews."""
    sure = np.maximum(table["positive"], 1 - table["positive"])
    bins = np.minimum((sure * 15).astype(int), 14)
    return sum(
        (bins == each).mean() * abs(right(table)[bins == each].mean() - sure[bins == each].mean()) for each in set(bins)
    )


def separated(tables) -> set[frozenset[str]]:
    """Pairs that McNemar's exact test separates after Holm's correction."""
    pairs, p_values = list(combinations(tables, 2)), []
    for one, other in pairs:
        table = pd.crosstab(
            pd.Categorical(right(tables[one]), [False, True]),
            pd.Categorical(right(tables[other]), [False, True]),
            dropna=False,
        )
        p_values.append(mcnemar(table.to_numpy(), exact=True).pvalue)
    rejected, *_ = multipletests(p_values, 0.05, method="holm")
    return {frozenset(pair) for pair, differ in zip(pairs, rejected, strict=True) if differ}


def by_letters(ranks) -> set[frozenset[str]]:
    return {frozenset(pair) for pair in combinations(ranks, 2) if not set(ranks[pair[0]]) & set(ranks[pair[1]])}


def model(name) -> str:
    return f"{name} (baseline)" if name == "bow" else name


@pytest.mark.parametrize("leaked", [0, LEAKED])
def test_every_cell_is_what_scikit_learn_and_statsmodels_compute(leaked):
    report, test, elsewhere = tables(leaked)
    pairs, films = (table.frame.set_index("model") for table in report.tables[-2:])
    mark = f" ({LEAKED} in train)" if leaked else ""

    for name in SETS["counterfactual"]:
        table = elsewhere["counterfactual"][name]
        counted = table[~table["original"]] if leaked else table
        assert pairs.loc[model(name)].drop("rank").to_dict() == {
            "accuracy, %": f"{accuracy(table):.2f}{mark}",
            "95 % interval": ends(*proportion_confint(right(table).sum(), len(table), method="wilson")),
            "from test, points": from_test(counted, test[name]),
            "original, %": f"{accuracy(table[table['original']]):.2f}",
            "revised, %": f"{accuracy(table[~table['original']]):.2f}",
            "both right, %": f"{both_right(table)}{mark}",
            "ECE, %": f"{100 * calibration_error(counted):.2f}",
        }
    for name in SETS["films"]:
        table = elsewhere["films"][name]
        assert films.loc[model(name)].drop("rank").to_dict() == {
            "accuracy, %": f"{accuracy(table):.2f}",
            "95 % interval": ends(*proportion_confint(right(table).sum(), len(table), method="wilson")),
            "from test, points": from_test(table, test[name]),
            "ECE, %": f"{100 * calibration_error(table):.2f}",
        }


@pytest.mark.parametrize("leaked", [0, LEAKED])
def test_letters_are_those_of_exact_mcnemar_tests_with_holms_correction_per_set(leaked):
    report, _, elsewhere = tables(leaked)

    for found in report.challenges:
        counted = {
            name: table[~table["original"]] if found.revised_alone else table
            for name, table in elsewhere[found.results.name].items()
        }
        differ = separated(counted)
        assert differ
        assert by_letters({row.row.name: row.letters for row in found.scored}) == differ


def test_several_seeds_have_the_mean_and_spread_of_each_figure():
    results = MadePage(seeds=(1, 2, 3), accuracy=MODELS, challenges=SETS, leaked=LEAKED).results()
    table = make_report(results).tables[-2].frame.set_index("model")
    (challenge, _) = results.challenges

    def spread(values) -> str:
        return f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"

    for name in SETS["counterfactual"]:
        logits = [challenge.logits[run.run_id] for run in results.runs if run.experiment == name]
        seeds = [predictions(challenge.labels, each, challenge) for each in logits]
        assert len(seeds) == 3
        both = [100 * each.assign(right=right(each)).groupby("group")["right"].all().mean() for each in seeds]
        cells = table.loc[model(name)]
        assert cells["accuracy, %"].startswith(spread([accuracy(each) for each in seeds]))
        assert cells["original, %"] == spread([accuracy(each[each["original"]]) for each in seeds])
        assert cells["revised, %"] == spread([accuracy(each[~each["original"]]) for each in seeds])
        assert cells["both right, %"].startswith(spread(both))
        assert cells["ECE, %"] == spread([100 * calibration_error(each[~each["original"]]) for each in seeds])


def test_the_json_form_has_the_same_numbers():
    report, test, elsewhere = tables()
    pairs, films = report_json(report)["challenges"]

    for found in (pairs, films):
        for row in found["rows"]:
            if not row["scored"]:
                assert (row["model"], row["accuracy"]["mean"]) == ("bert-frozen", None)
                continue
            table = elsewhere[found["name"]][row["experiment"]]
            counts = (
                right(table).sum(),
                len(table),
                right(test[row["experiment"]]).sum(),
                len(test[row["experiment"]]),
            )
            wilson = proportion_confint(*counts[:2], method="wilson")
            newcombe = confint_proportions_2indep(*counts, method="newcomb")
            assert 100 * row["accuracy"]["mean"] == pytest.approx(accuracy(table))
            assert (row["accuracy"]["low"], row["accuracy"]["high"]) == pytest.approx(wilson)
            assert (row["from_test"]["low"], row["from_test"]["high"]) == pytest.approx(newcombe)
            assert row["ece"]["mean"] == pytest.approx(calibration_error(table))
        differ = {frozenset((pair["first"], pair["second"])) for pair in found["pairs"] if pair["separated"]}
        assert differ == separated(elsewhere[found["name"]])
