"""What a report says in words: made from the figures by rules, so that no figure contradicts a sentence."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmark.report.narrative import pareto_front
from benchmark.report.table import Report, make_report
from benchmark.results.results import PlanResults
from benchmark.tracking.records import PlanRecord, PlanRow, RunRecord, Status
from benchmark.tracking.speed import Throughput
from tests.helpers.facts import assert_names
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


def unbalanced(predictions, seeds=(1,), reviews=200) -> Report:
    """A report on reviews of which 95 % are positive; `predictions` makes from the labels what each model predicts."""
    labels = np.ones(reviews, dtype=np.int64)
    labels[: reviews // 20] = 0
    rows, runs, logits = [], [], {}
    for name, predict in predictions.items():
        rows.append(PlanRow(name, name, None, None, 100, "s", baseline=name == "bow"))
        for seed in seeds:
            predicted = predict(labels)
            run = f"{name}-{seed}"
            logits[run] = np.stack([1.0 - predicted, predicted], axis=1).astype("float32")
            metrics = {f"test/{score}": 0.5 for score in ("f1", "roc_auc", "log_loss")}
            metrics |= {"test/accuracy": float((predicted == labels).mean()), "parameters_total": 1e6}
            metrics |= {"parameters_trainable": 10.0, "train_seconds": 10.0}
            runs.append(RunRecord(run, run, name, seed, name, Status.FINISHED, metrics))
    plan = PlanRecord("quick", seeds, tuple(rows), "reviews", False, 10, reviews)
    return make_report(PlanResults(plan, runs, np.arange(reviews), labels, logits))


def report_of(accuracies, seeds=(1,), *, apart=1.0, seconds=None, missing=(), speeds=None, baseline=()) -> Report:
    """A report of models with these accuracies; seeds differ by two reviews.

    With `apart=0` the errors of a better model are among those of a worse one; otherwise they are drawn apart.
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
    return make_report(PlanResults(plan, runs, np.arange(N), labels, logits, speeds or {}))


def finding(report, *facts) -> str:
    """The only finding that names all of these."""
    (found,) = [line for line in report.findings if all(fact in line for fact in facts)]
    return found


FAR = {"lstm": 0.88, "bert-frozen": 0.80, "bert-finetuned": 0.95}
EQUAL = ("2021", "84.58 %", "86.62 %")  # the question whether frozen BERT is equal to the LSTM, as published
BETTER = ("2021", "93.53 %")  # whether fine-tuned BERT is better, asked of each of the other two


class TestWhatTheFindingsAreAbout:
    def test_one_seed_is_about_networks_and_several_are_about_methods(self):
        assert_names(report_of(FAR).findings[0], "networks", "seed 1")
        assert_names(report_of(FAR, (1, 2, 3)).findings[0], "methods", "3 seeds")

    def test_one_model_is_compared_with_nothing(self):
        assert report_of({"lstm": 0.8}).findings == ()

    def test_an_incomplete_row_is_named_and_in_none_of_them(self):
        report = report_of(FAR, (1, 2), missing=("lstm",))

        assert [("lstm" in line) for line in report.findings] == [False] * (len(report.findings) - 1) + [True]


class TestTheBest:
    def test_is_named_with_its_interval(self):
        report = report_of(FAR)
        low, high = (f"{100 * limit:.2f}" for limit in report.verdict.rows[2].interval)

        said = finding(report, "highest")
        assert_names(said, "bert-finetuned", "95.00 %", "95 %", low, high)
        assert not [name for name in ("lstm", "bert-frozen") if name in said]  # separated from all

    def test_is_not_said_to_be_ahead_where_no_test_says_so(self):
        said = finding(report_of({"lstm": 0.88, "rnn": 0.879, "gru": 0.70}), "highest")

        assert_names(said, "lstm", "rnn")
        assert "gru" not in said


def all_but(wrong):
    """Predict the labels, but for the first `wrong` reviews."""

    def predict(labels):
        predicted = labels.copy()
        predicted[:wrong] = 1 - predicted[:wrong]
        return predicted

    return predict


class TestTheLargerClass:
    @pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)])
    def test_models_that_always_give_it_are_named_and_praised_nowhere(self, seeds):
        report = unbalanced({"rnn": np.ones_like, "bow": np.ones_like}, seeds)
        (said,) = [line for line in report.findings if "rnn" in line]

        assert_names(said, "rnn", "bow", "always answering positive", "95.00 %", "p 1.000")
        assert not [line for line in report.findings if "highest" in line or "baseline" in line or "Pareto" in line]

    def test_the_p_value_is_that_of_the_exact_test_corrected_over_the_models(self):
        predictions = {"rnn": all_but(7), "bow": np.ones_like}  # rnn alone is right on 3 reviews, and never wrong alone
        said = finding(unbalanced(predictions), "always answering")

        alone = stats.binomtest(3, 3).pvalue
        assert_names(said, f"rnn 96.50 %, p {2 * alone:.3f}", "bow 95.00 %, p 1.000")

    def test_a_model_that_is_better_is_praised_and_the_others_are_not(self):
        report = unbalanced({"rnn": np.ones_like, "lstm": lambda labels: labels, "bow": np.zeros_like})

        assert finding(report, "highest").startswith("lstm")
        assert "lstm" not in finding(report, "always answering")
        (front,) = [line for line in report.findings if "Pareto" in line and "time" in line] or [""]
        assert "rnn" not in front

    def test_one_model_alone_is_compared_with_it_too(self):
        (said,) = unbalanced({"rnn": np.ones_like}).findings

        assert_names(said, "rnn", "always answering positive", "95.00 %")

    def test_nothing_is_said_where_all_are_better(self):
        assert not [line for line in report_of(FAR).findings if "always answering" in line]


class TestTheClaimsOf2021:
    @pytest.mark.parametrize(
        ("accuracies", "apart", "question", "facts"),
        [
            (FAR, 1, EQUAL, ["? No:", "lstm", "bert-frozen", "8.00 points", "95 %"]),
            ({"lstm": 0.88, "bert-frozen": 0.8795}, 0, EQUAL, ["? Yes", "1 point"]),
            ({"lstm": 0.88, "bert-frozen": 0.875}, 0, EQUAL, ["yes", "significant", "0.50 points", "1 point"]),
            (FAR, 1, (*BETTER, "84.58 %"), ["? Yes", "15.00 points"]),
            ({"lstm": 0.88, "bert-finetuned": 0.885}, 0, BETTER, ["? Yes", "0.50 points", "1 point"]),
            (FAR | {"bert-finetuned": 0.7}, 1, (*BETTER, "84.58 %"), ["? No", "worse", "10.00 points"]),
            ({"lstm": 0.88, "bert-finetuned": 0.8795}, 0, BETTER, ["? No", "1 point"]),
        ],
        ids=["not equal", "equal", "equal but significant", "better", "better by little", "worse", "not better"],
    )
    def test_are_answered_by_the_figures(self, accuracies, apart, question, facts):
        assert_names(finding(report_of(accuracies, apart=apart), *question), *facts)

    def test_two_of_which_too_little_is_known_are_left_open_with_what_would_have_been_missed(self):
        said = finding(report_of({"lstm": 0.880, "bert-frozen": 0.872}), *EQUAL)

        assert "? Yes" not in said
        assert "? No:" not in said
        assert re.search(r"\d\.\d\d points", said)

    def test_how_much_better_has_its_price(self):
        fast = replace(SPEED, latency_p50_ms=2.0)
        speeds: dict[str, Throughput] = {"bert-finetuned": replace(SPEED, latency_p50_ms=30.0), "lstm": fast}
        report = report_of(FAR, seconds={"bert-finetuned": 3600.0, "lstm": 60.0}, speeds=speeds)

        said = finding(report, *BETTER, "86.62 %")
        assert_names(said, "bert-finetuned", "7.00 points", "60.0 times", "1 h 00 min", "1 min 00 s")
        assert_names(said, "15.0 times", "30.0 ms", "2.0 ms")

    def test_one_about_a_model_that_is_not_here_is_not_answered(self):
        report = report_of({"lstm": 0.88, "rnn": 0.8})

        assert not [line for line in report.findings if "2021" in line]


def test_the_baseline_shows_which_models_are_worth_their_cost():
    accuracies = {"rnn": 0.80, "lstm": 0.881, "bert-finetuned": 0.95, "bow": 0.88}
    said = finding(report_of(accuracies, baseline=("bow",)), "baseline")

    assert_names(said, "bow", "88.00 %")
    assert re.findall(r"better: bert-finetuned|different: lstm|worse: rnn", said) == [
        "better: bert-finetuned",
        "different: lstm",
        "worse: rnn",
    ]


class TestTheChoice:
    def test_the_front_is_what_none_is_as_good_and_as_cheap_as(self):
        models = {"a": (0.8, 1.0), "b": (0.9, 2.0), "c": (0.85, 3.0), "d": (0.9, 4.0)}

        assert pareto_front(models) == ["a", "b"]
        assert pareto_front({"a": (0.8, 1.0), "b": (0.8, 1.0)}) == ["a", "b"]

    def test_is_given_for_each_known_price_with_the_model_that_dominates_another(self):
        report = report_of(FAR, seconds={"lstm": 60.0, "bert-frozen": 120.0, "bert-finetuned": 3600.0})

        said = finding(report, "against train time")
        order = ["lstm (88.00 %, 1 min 00 s)", "bert-finetuned (95.00 %, 1 h 00 min)", "bert-frozen is dominated: lstm"]
        assert sorted(order, key=said.index) == order
        assert not [line for line in report.findings if "latency" in line]

    def test_tuning_is_part_of_the_price(self):
        report = report_of({"lstm": 0.88, "rnn": 0.8}, seconds={"lstm": 60.0, "rnn": 60.0})
        tuned = {"seconds": 60.0, "complete": 1, "pruned": 0, "study": "s", "trial": 0, "metric": "val/loss"}
        rows = tuple(replace(row, tuned=tuned) for row in report.results.plan.rows)
        again = make_report(replace(report.results, plan=replace(report.results.plan, rows=rows)))

        assert_names(finding(again, "tuning time"), "lstm (tuned) (88.00 %, 2 min 00 s)")

    def test_times_of_different_machines_are_not_compared(self):
        report = report_of(FAR)
        runs = [
            replace(run, tags={"hardware": "one" if run.experiment == "lstm" else "another"})
            for run in report.results.runs
        ]
        again = make_report(replace(report.results, runs=runs))

        assert not [line for line in again.findings if "train time" in line]
        assert finding(again, "against size")


ACCURACIES = (0.70, 0.86, 0.865, 0.95)


@pytest.mark.parametrize("values", list(itertools.product(ACCURACIES, repeat=3)))
@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)])
def test_no_sentence_contradicts_a_figure(values, seeds):
    """Whatever the figures: who is said to be above is, and who is said to be better differs significantly."""
    report = report_of(dict(zip(FIGURES, values, strict=True)), seeds)
    accuracy = {row.name: row.accuracy for row in report.verdict.rows}
    (comparison,) = report.verdict.comparisons.values()

    (best_said,) = [said for said in report.findings if "has the highest test accuracy" in said]
    best = best_said.split()[0]
    assert accuracy[best] == max(accuracy.values())
    tied = {name for name in accuracy if name != best and not comparison.pair(best, name).separated}
    assert ("significantly better than every other model" in best_said) is (not tied)
    assert {name for name in accuracy if name in best_said.split("not significantly better than")[-1]} - {best} == tied

    answers = [said for said in report.findings if "as in 2021" in said]
    assert len(answers) == 3
    for said in answers:
        ((better, points, worse),) = re.findall(r"(\S+) is (\d+\.\d\d) points above (\S+)", said)
        assert accuracy[better] >= accuracy[worse]
        assert f"{100 * (accuracy[better] - accuracy[worse]):.2f}" in {points, f"-{points}"}
        (reply,) = re.findall(r"\? (Yes|No, it is worse|No|Within 1 point, yes|Not decided)\b", said)
        asked_for_equal = "about equal" in said
        if comparison.pair(better, worse).separated:
            by_much = {"No", "Within 1 point, yes"}
            assert reply in (
                by_much if asked_for_equal else {"Yes" if better == "bert-finetuned" else "No, it is worse"}
            )
        else:
            assert reply in {"Not decided", "Yes" if asked_for_equal else "No"}
