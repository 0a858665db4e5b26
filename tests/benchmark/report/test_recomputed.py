"""Every figure of the table, computed again from the predictions alone with scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn import metrics

from benchmark.analysis.metrics import classification_metrics
from benchmark.report.forms import table_frame
from benchmark.report.table import make_report
from benchmark.results.results import PlanResults, join_runs
from benchmark.tracking.records import PlanRecord, PlanRow, RunRecord, Status

N, SEEDS = 400, (1, 2)
MODELS = {"lstm": 1.0, "rnn": 0.4, "bow": 2.0}  # how far the logits of the two labels lie apart


def predictions(name: str, seed: int) -> pd.DataFrame:
    generator = np.random.default_rng([seed, *name.encode()])
    labels = (np.arange(N) % 3 == 0).astype(int)
    logits = generator.normal(size=(N, 2)).astype("float32")
    logits[np.arange(N), labels] += MODELS[name]
    order = generator.permutation(N)  # a run may have written its reviews in any order
    table = pd.DataFrame(
        {
            "id": [f"review {number}" for number in range(N)],
            "label": labels,
            "logit_negative": logits[:, 0],
            "logit_positive": logits[:, 1],
        }
    )
    return table.iloc[order]


@pytest.fixture
def tables() -> dict[tuple[str, int], pd.DataFrame]:
    return {(name, seed): predictions(name, seed) for name in MODELS for seed in SEEDS}


def results_of(tables) -> PlanResults:
    runs = []
    for (name, seed), table in tables.items():
        logits = table[["logit_negative", "logit_positive"]].to_numpy()
        scores = classification_metrics(table["label"].to_numpy(), logits)
        figures = {f"test/{score}": value for score, value in scores.items()}
        figures |= {"parameters_total": 1000.0, "parameters_trainable": 10.0, "train_seconds": 10.0 * seed}
        runs.append(RunRecord(f"{name}-{seed}", name, name, seed, name * 4, Status.FINISHED, figures))
    rows = tuple(PlanRow(name, name * 4, None, None, 100, "s") for name in MODELS)
    plan = PlanRecord("quick", SEEDS, rows, "reviews", False, 10, N)
    return join_runs(plan, runs, {}, lambda run: tables[run.experiment, run.seed])


def expected(tables, name, score, scale, digits) -> str:
    """Mean and standard deviation over seeds of a score of labels and probabilities."""
    values = []
    for seed in SEEDS:
        found = tables[name, seed]
        chances = softmax(found[["logit_negative", "logit_positive"]].to_numpy(np.float64), axis=1)[:, 1]
        values.append(scale * score(found["label"].to_numpy(), chances))
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


def calibration_error(labels, chances) -> float:
    """By Guo et al.'s formula: |right - sure| in each of 15 bins, weighted by their reviews."""
    sure, right = np.maximum(chances, 1 - chances), (chances > 0.5) == labels
    bins = np.minimum((sure * 15).astype(int), 14)
    return sum(
        (bins == each).mean() * abs(right[bins == each].mean() - sure[bins == each].mean()) for each in set(bins)
    )


SCORES = {
    "test accuracy, %": (lambda labels, chances: metrics.accuracy_score(labels, chances > 0.5), 100, 2),
    "balanced, %": (lambda labels, chances: metrics.balanced_accuracy_score(labels, chances > 0.5), 100, 2),
    "F1, %": (lambda labels, chances: metrics.f1_score(labels, chances > 0.5), 100, 2),
    "ROC-AUC, %": (metrics.roc_auc_score, 100, 2),
    "log loss": (metrics.log_loss, 1, 3),
    "ECE, %": (calibration_error, 100, 2),
}


def test_every_figure_is_what_scikit_learn_computes_of_the_predictions(tables):
    table = make_report(results_of(tables)).quality.set_index("model")

    for name in MODELS:
        for column, (score, scale, digits) in SCORES.items():
            assert table.loc[name, column] == expected(tables, name, score, scale, digits), (name, column)
        low, high = map(float, table.loc[name, "95 % interval"].split(" to "))
        assert low < float(table.loc[name, "test accuracy, %"].split()[0]) < high
    accuracy = table["test accuracy, %"].str.split().str[0].astype(float)
    letters = table["rank"].loc[accuracy.sort_values(ascending=False).index]
    assert list(letters) == sorted(letters)
    assert letters.iloc[0].startswith("a")


def test_scores_of_both_classes_are_computed_of_the_predictions_of_old_records_too(tables):
    results = results_of(tables)
    for run in results.runs:
        for score in ("balanced_accuracy", "f1_negative"):
            del run.metrics[f"test/{score}"]
    frame = table_frame(make_report(results)).set_index("model")

    for name in MODELS:
        found = [tables[name, seed] for seed in SEEDS]
        negative = [
            metrics.f1_score(table["label"], table["logit_positive"] > table["logit_negative"], pos_label=0)
            for table in found
        ]
        assert frame.loc[name, "test_f1_negative_mean"] == pytest.approx(np.mean(negative))
