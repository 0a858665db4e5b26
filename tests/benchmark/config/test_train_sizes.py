"""Several sizes of the train part in one plan: a run for each, and the learning-curve table."""

import io

import pandas as pd
import pytest

from benchmark.config.errors import ConfigError
from benchmark.config.load import load_suite, parse_assignments
from benchmark.plan.plan import make_plan
from benchmark.report.forms import render
from benchmark.report.table import make_report
from benchmark.tracking.records import PlanRecord, PlanRow, RunRecord, Status
from tests.helpers.facts import assert_names
from tests.helpers.recorded import NOWHERE, results_of


@pytest.mark.parametrize("value", ["60,120,200", "[60, 120, 200]", " 60, 120, 200"])
def test_several_sizes_of_an_option_or_the_file_have_a_run_each(write_config, value):
    suite = load_suite(write_config(), settings=parse_assignments([f"data.train_size={value}", "seeds=1,2"]))

    assert [data.train_size for data in suite.data] == [60, 120, 200]
    assert set(suite.seeds.values()) == {(1, 2)}
    runs = [(run.seed, run.data.train_size, run.experiment_name) for run in suite.runs()]
    assert len(set(runs)) == len(runs) == 2 * 3 * 4
    assert runs[:5] == [*((1, 60, name) for name in suite.experiments), (1, 120, "rnn")]

    in_file = write_config(profiles={"quick": {"data": {"train_size": [60, "all"]}}})
    assert [data.train_size for data in load_suite(in_file).data] == [60, "all"]


@pytest.mark.parametrize(
    ("value", "facts"),
    [
        ("60,1", ["data.train_size[1]", "2", "all", "1"]),
        ("60,many", ["data.train_size[1]", "2", "all", "many"]),
        ("60,60", ["data.train_size", "60"]),
        ("[]", ["data.train_size"]),
        ("1.5", ["data.train_size[0]", "2", "all", "1.5"]),
    ],
)
def test_what_is_no_list_of_sizes_is_refused(write_config, value, facts):
    with pytest.raises(ConfigError) as refused:
        load_suite(write_config(), settings=parse_assignments([f"data.train_size={value}"]))

    [line] = refused.value.lines
    assert line.startswith("--set data.train_size=")
    assert_names(line.partition(": ")[2], *facts)


def test_all_sizes_share_val_and_test_and_a_record_says_numbers(write_config):
    plan = make_plan(load_suite(write_config(), settings={"data.train_size": [60, "all"]}), NOWHERE)

    assert plan.record.train_sizes == (60, 290)  # of 400 reviews
    assert len({row.split_fingerprint for row in plan.record.rows}) == 2
    assert len({row.fingerprint for row in plan.record.rows}) == 8
    assert {run.config.data.train_size for run in plan.runs} == {60, 290}


def test_a_run_is_the_same_whether_its_size_is_asked_for_alone_or_with_others(write_config):
    alone = make_plan(load_suite(write_config(), settings={"data.train_size": 60}), NOWHERE)
    among = make_plan(load_suite(write_config(), settings={"data.train_size": [200, 60]}), NOWHERE)

    assert {run.identity for run in alone.runs} < {run.identity for run in among.runs}


# The table


def plan_of(*sizes) -> PlanRecord:
    rows = tuple(
        PlanRow(name, f"{name}-{size}", None, None, size, f"split-{size}") for size in sizes for name in ("rnn", "lstm")
    )
    return PlanRecord("quick", (1, 2), rows, "made-up reviews", False, 10, 20)


def run_of(name, size, seed, accuracy) -> RunRecord:
    metrics = dict.fromkeys(["test/accuracy", "test/f1", "test/roc_auc"], accuracy)
    metrics |= {"test/log_loss": 0.5, "parameters_total": 10, "parameters_trainable": 10, "train_seconds": 1}
    return RunRecord(f"id-{name}-{size}-{seed}", name, name, seed, f"{name}-{size}", Status.FINISHED, metrics)


RUNS = [
    *(run_of("rnn", 2000, seed, 0.7 + seed / 100) for seed in (1, 2)),
    *(run_of("rnn", 500, seed, 0.6 + seed / 100) for seed in (1, 2)),
    *(run_of("lstm", 500, seed, 0.5) for seed in (1, 2)),
    run_of("lstm", 2000, 1, 0.9),
]


def report_of(*sizes):
    return make_report(results_of(plan_of(*sizes), RUNS))


def test_sizes_have_a_learning_curve_from_small_to_large_a_column_and_a_note():
    report = report_of(2000, 500)

    assert report.curve.to_dict("list") == {
        "model": ["rnn", "lstm"],
        "500": ["61.50 ± 0.71", "50.00 ± 0.00"],
        "2,000": ["71.50 ± 0.71", "incomplete: 1 missing"],
    }
    table = report.quality
    assert list(zip(table["model"], table["trained on"], strict=True)) == [
        *(("rnn", "2,000"), ("lstm", "2,000"), ("rnn", "500"), ("lstm", "500"))
    ]
    assert_names(report_of(500, 2000).notes[0], "500 / 2,000", "10", "20")


def test_one_size_needs_neither_curve_nor_column():
    report = report_of(500)

    assert report.curve is None
    assert "trained on" not in report.quality


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex"])
def test_every_form_for_readers_shows_the_curve(form):
    shown = render(report_of(500, 2000), form)

    assert shown.count("71.50") == 4  # accuracy, F1 and ROC-AUC of the row, and the curve


def test_the_csv_stays_one_table():
    assert len(pd.read_csv(io.StringIO(render(report_of(500, 2000), "csv")))) == 4
