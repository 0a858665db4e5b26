"""What a report says in words: made from the figures by rules, so that no figure contradicts a sentence."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from benchmark.records import PlanRecord, PlanRow, RunRecord, Status, Throughput
from benchmark.report.narrative import pareto_front
from benchmark.report.results import Results
from benchmark.report.table import Report, make_report
from tests.helpers.recorded import SPEED

N = 4000
FIGURES = {"lstm": 86.62, "bert-frozen": 84.58, "bert-finetuned": 93.53}


def published(name):
    return {
        "experiment": name,
        "test_accuracy": FIGURES[name],
        "corpus": "c",
        "encoder": None,
        "source": "2021 course experiment",
        "setup": None,
        "train_size": None,
    }


def report_of(accuracies, seeds=(1,), *, apart=1.0, seconds=None, missing=(), speeds=None, baseline=()) -> Report:
    """A report of models with these accuracies, whose networks share most of their errors.

    Args:
        accuracies: of each model, 0 to 1; seeds differ by two reviews.
        apart: 0: the errors of a better model are among those of a worse one; 1: they are drawn apart.
    """
    rows, runs, logits = [], [], {}
    labels = np.arange(N) % 2
    for number, (name, accuracy) in enumerate(accuracies.items()):
        rows.append(
            PlanRow(name, name, None, published(name) if name in FIGURES else None, 100, "s", baseline=name in baseline)
        )
        for position, seed in enumerate(seeds):
            if name in missing and position == 0:
                continue
            generator = np.random.default_rng([number, seed] if apart else [0])
            wrong = generator.permutation(N)[: N - round(accuracy * N) - 2 * position]
            predicted = labels.copy()
            predicted[wrong] = 1 - predicted[wrong]
            run = f"{name}-{seed}"
            logits[run] = np.stack([1.0 - predicted, predicted], axis=1).astype("float32")
            right = float((predicted == labels).mean())
            metrics = {f"test/{score}": right for score in ("accuracy", "f1", "roc_auc", "log_loss")}
            metrics |= {"parameters_total": 1e6 * (number + 1), "parameters_trainable": 10.0}
            metrics["train_seconds"] = (seconds or {}).get(name, 10.0 * (number + 1))
            runs.append(RunRecord(run, f"{name} seed {seed}", name, seed, name, Status.FINISHED, metrics))
    plan = PlanRecord("quick", seeds, tuple(rows), "reviews", False, 10, N)
    return make_report(Results(plan, runs, labels, logits, speeds or {}))


def finding(report, start) -> str:
    (found,) = [line for line in report.findings if line.startswith(start)]
    return found


FAR = {"lstm": 0.88, "bert-frozen": 0.80, "bert-finetuned": 0.95}


class TestWhatTheFindingsAreAbout:
    def test_one_seed_is_about_these_networks(self):
        assert (
            report_of(FAR).findings[0].startswith("These findings are about these networks, one of each model (seed 1)")
        )

    def test_several_seeds_are_about_methods(self):
        assert report_of(FAR, (1, 2, 3)).findings[0].startswith("These findings are about methods: ")

    def test_one_model_is_compared_with_nothing(self):
        assert report_of({"lstm": 0.8}).findings == ()

    def test_an_incomplete_row_is_named_and_in_none_of_them(self):
        report = report_of(FAR, (1, 2), missing=("lstm",))

        assert report.findings[-1] == "Incomplete, and in none of these findings: lstm."
        assert not [line for line in report.findings[:-1] if "lstm" in line]


class TestTheBest:
    def test_is_named_with_its_interval(self):
        report = report_of(FAR)
        low, high = report.verdict.rows[2].accuracy.interval

        assert finding(report, "bert-finetuned has") == (
            f"bert-finetuned has the highest test accuracy, 95.00 % (95 % interval {100 * low:.2f} to "
            f"{100 * high:.2f}); it is separated from every other model."
        )

    def test_is_not_said_to_be_ahead_where_no_test_says_so(self):
        report = report_of({"lstm": 0.88, "rnn": 0.879, "gru": 0.70})

        assert finding(report, "lstm has").endswith("no test separates it from rnn.")


class TestTheClaimsOf2021:
    EQUAL = "Is frozen BERT about equal to the LSTM, as in 2021 (bert-frozen 84.58 %, lstm 86.62 %)? "

    def test_two_that_differ_are_said_to(self):
        assert (
            finding(report_of(FAR), self.EQUAL)
            .removeprefix(self.EQUAL)
            .startswith("They differ: lstm is 8.00 points above bert-frozen (95 % interval ")
        )

    def test_two_that_are_close_on_the_same_reviews_are_equal(self):
        report = report_of({"lstm": 0.880, "bert-frozen": 0.8795}, apart=0)

        assert "Yes, to within 1 point, and no test separates them" in finding(report, self.EQUAL)

    def test_two_that_differ_by_little_but_surely_are_said_to_differ_by_little(self):
        report = report_of({"lstm": 0.880, "bert-frozen": 0.875}, apart=0)

        said = finding(report, self.EQUAL)
        assert "They differ: lstm is 0.50 points above bert-frozen" in said
        assert said.endswith(", though by less than 1 point.")

    def test_two_of_which_too_little_is_known_are_left_open_with_what_would_have_been_missed(self):
        said = finding(report_of({"lstm": 0.880, "bert-frozen": 0.872}), self.EQUAL)

        assert "This comparison cannot tell: " in said
        assert re.search(r"a difference of \d\.\d\d points would be missed one time in five, a smaller one", said)

    def test_how_much_better_has_its_price(self):
        fast = replace(SPEED, latency_p50_ms=2.0)
        speeds: dict[str, Throughput] = {"bert-finetuned": replace(SPEED, latency_p50_ms=30.0), "lstm": fast}
        report = report_of(FAR, seconds={"bert-finetuned": 3600.0, "lstm": 60.0}, speeds=speeds)

        said = finding(report, "Is fine-tuned BERT far better than lstm, as in 2021")
        assert "They differ: bert-finetuned is 7.00 points above lstm" in said
        assert said.endswith(
            "It has 60.0 times the train time (1 h 00 min against 1 min 00 s) and 15.0 times the latency of one review "
            "(30.0 ms against 2.0 ms)."
        )

    def test_a_fine_tuned_model_that_is_worse_is_said_to_be(self):
        said = finding(report_of(FAR | {"bert-finetuned": 0.7}), "Is fine-tuned BERT far better than bert-frozen")

        assert "They differ, the other way round: bert-frozen is 10.00 points above bert-finetuned" in said

    def test_a_fine_tuned_model_that_is_equal_is_not_said_to_be_better(self):
        report = report_of({"lstm": 0.880, "bert-finetuned": 0.8795}, apart=0)

        said = finding(report, "Is fine-tuned BERT far better than lstm")
        assert "? No, they are equal to within 1 point, and no test separates them: " in said

    def test_a_claim_about_a_model_that_is_not_here_is_not_answered(self):
        report = report_of({"lstm": 0.88, "rnn": 0.8})

        assert not [line for line in report.findings if "2021" in line]


class TestTheFloor:
    def test_says_which_models_are_worth_their_cost(self):
        accuracies = {"rnn": 0.80, "lstm": 0.881, "bert-finetuned": 0.95, "bow": 0.88}

        assert finding(report_of(accuracies, baseline=("bow",)), "The floor") == (
            "The floor, bow, reaches 88.00 %: it is beaten by bert-finetuned, not separated from lstm, above rnn."
        )


class TestTheChoice:
    def test_the_front_is_what_none_is_as_good_and_as_cheap_as(self):
        models = {"a": (0.8, 1.0), "b": (0.9, 2.0), "c": (0.85, 3.0), "d": (0.9, 4.0)}

        assert pareto_front(models) == ["a", "b"]

    def test_two_equal_ones_stay(self):
        assert pareto_front({"a": (0.8, 1.0), "b": (0.8, 1.0)}) == ["a", "b"]

    def test_is_told_for_each_price_that_is_known(self):
        report = report_of(FAR, seconds={"lstm": 60.0, "bert-frozen": 120.0, "bert-finetuned": 3600.0})

        assert finding(report, "Accuracy against train time") == (
            "Accuracy against train time, cheapest first: lstm (88.00 %, 1 min 00 s), bert-finetuned (95.00 %, "
            "1 h 00 min). For bert-frozen another is at least as accurate at no higher a price."
        )
        assert not [line for line in report.findings if "latency" in line]

    def test_tuning_is_part_of_the_price(self):
        report = report_of({"lstm": 0.88, "rnn": 0.8}, seconds={"lstm": 60.0, "rnn": 60.0})
        tuned = {"seconds": 60.0, "complete": 1, "pruned": 0, "study": "s", "trial": 0, "metric": "val/loss"}
        rows = tuple(replace(row, tuned=tuned) for row in report.results.plan.rows)
        again = make_report(replace(report.results, plan=replace(report.results.plan, rows=rows)))

        assert "lstm (tuned) (88.00 %, 2 min 00 s)" in finding(again, "Accuracy against train and tuning time")

    def test_times_of_different_machines_are_not_compared(self):
        report = report_of(FAR)
        runs = [
            replace(run, tags={"hardware": "one" if run.experiment == "lstm" else "another"})
            for run in report.results.runs
        ]
        again = make_report(replace(report.results, runs=runs))

        assert not [line for line in again.findings if "train time" in line]
        assert finding(again, "Accuracy against size")


ACCURACIES = (0.70, 0.86, 0.865, 0.95)


@pytest.mark.parametrize("values", list(itertools.product(ACCURACIES, repeat=3)))
@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)])
def test_no_sentence_contradicts_a_figure(values, seeds):
    """Whatever the figures: who is said to be above is, and who is said to differ is separated."""
    report = report_of(dict(zip(FIGURES, values, strict=True)), seeds)
    accuracy = {row.name: row.accuracy.accuracy for row in report.verdict.rows}
    (comparison,) = report.verdict.comparisons.values()
    separated = {frozenset((pair.first, pair.second)): pair.separated for pair in comparison.pairs}

    for said in report.findings:
        for better, points, worse in re.findall(r"(\S+) is (\d+\.\d\d) points above (\S+)", said):
            assert f"{100 * (accuracy[better] - accuracy[worse]):.2f}" in {points, f"-{points}"}
            assert accuracy[better] >= accuracy[worse]
            assert ("They differ" in said) is separated[frozenset((better, worse))]
        if "has the highest" in said:
            best = said.split()[0]
            assert accuracy[best] == max(accuracy.values())
            alone = all(separated[frozenset((best, name))] for name in accuracy if name != best)
            assert ("separated from every other model" in said) is alone
