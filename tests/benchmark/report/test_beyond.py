"""Tables, findings and notes about challenge sets."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.api.results import Results
from benchmark.report.forms import SCHEMA_VERSION, render, report_json, table_frame
from benchmark.report.table import Report, make_report
from benchmark.tracking.records import Status
from data_pipeline.errors import one_line
from tests.helpers.facts import assert_names
from tests.helpers.made_page import MadePage

LEVEL = {"rnn": 0.70, "lstm": 0.84, "bow": 0.85}
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "report-schema.md"


def report_of(challenges, accuracy=LEVEL, **changes) -> Report:
    return make_report(MadePage(seeds=(1,), accuracy=accuracy, challenges=challenges, **changes).results())


def table_of(report, name="counterfactual") -> pd.DataFrame:
    (table,) = [table for table in report.tables if table.title.startswith(f"Beyond the test part: {name} ")]
    return table.frame.set_index("model")


def finding_of(report, name) -> str:
    (found,) = [line for line in report.findings if name in line]
    return found


class TestTables:
    def test_there_is_one_per_set_behind_the_others(self):
        report = report_of({"films": LEVEL, "counterfactual": LEVEL}, train_sizes=(1000, 4000))

        titles = [table.title for table in report.tables]
        assert titles[:2] == ["Quality", "Cost"]
        assert [title.split(" (")[0].rpartition(" ")[2] for title in titles[3:]] == ["counterfactual", "films"]
        assert_names(titles[3], "400 reviews", "200 pairs", "made-up counterfactual reviews")
        assert "pairs" not in titles[4]
        assert list(report.curve.columns) == ["model", "1,000", "4,000"]

    def test_without_sets_there_are_none_and_the_rest_is_as_ever(self):
        report = report_of({})

        assert [table.title for table in report.tables] == ["Quality", "Cost"]
        assert report.curve is None
        assert "challenge" not in " ".join((*report.notes, *report.findings))
        assert report_json(report)["challenges"] == []

    def test_a_column_is_there_where_the_set_has_its_figure(self):
        report = report_of({"films": LEVEL, "counterfactual": LEVEL})

        plain = ["accuracy, %", "95 % interval", "rank", "from test, points", "ECE, %"]
        assert list(table_of(report, "films")) == plain
        assert set(table_of(report)) - set(plain) == {"original, %", "revised, %", "both right, %"}

    def test_groups_that_are_no_pairs_are_called_groups(self):
        results = MadePage(seeds=(1,), accuracy=LEVEL, challenges={"counterfactual": LEVEL}).results()
        groups = np.array([str(place // 4) for place in range(400)], dtype=object)
        made = replace(results.challenges[0], groups=groups, original=None)
        report = make_report(replace(results, challenges=(made,)))

        assert "100 groups" in report.tables[-1].title
        assert "all right, %" in table_of(report)

    def test_predictions_without_probabilities_have_no_ece(self):
        results = MadePage(seeds=(1,), accuracy=LEVEL, challenges={"films": LEVEL}).results()
        for run in results.runs:
            if run.experiment == "rnn":
                del run.metrics["challenge/films/ece"]

        assert (table_of(make_report(results), "films")["ECE, %"] == "").tolist() == [True, False, False]

    def test_a_model_that_was_not_scored_says_so_in_table_and_notes(self):
        report = report_of({"films": {"lstm": 0.7, "bow": 0.8}})

        assert table_of(report, "films").loc["rnn"].tolist() == ["not scored", "", "", "", ""]
        assert [note for note in report.notes if "films: rnn" in note and "evaluate" in note]

    def test_a_model_of_which_one_seed_was_scored_counts_as_not_scored(self):
        results = MadePage(seeds=(1, 2), accuracy=LEVEL, challenges={"films": LEVEL}).results()
        (films,) = results.challenges
        first = next(run.run_id for run in results.runs if run.experiment == "rnn")
        logits = {run_id: each for run_id, each in films.logits.items() if run_id != first}
        report = make_report(replace(results, challenges=(replace(films, logits=logits),)))

        assert table_of(report, "films")["accuracy, %"].eq("not scored").tolist() == [True, False, False]
        assert [note for note in report.notes if "rnn seed 1" in note]
        assert not [note for note in report.notes if "rnn seed 2" in note]

    def test_a_failed_model_is_in_no_comparison(self):
        report = report_of({"films": LEVEL}, error="boom")

        assert table_of(report, "films")["accuracy, %"].eq("not scored").tolist() == [False, False, False, True]

    def test_figures_over_seeds_have_a_spread(self):
        report = make_report(MadePage(accuracy=LEVEL, challenges={"counterfactual": LEVEL}).results())

        assert table_of(report)["accuracy, %"].tolist() == ["70.00 ± 0.00", "84.00 ± 0.00", "85.00 ± 0.00"]
        assert table_of(report)["original, %"].str.contains("±").all()
        (found,) = report.challenges
        for row in found.rows:
            assert row.consistency_interval.low < row.scores["consistency"].mean < row.consistency_interval.high
            assert row.drop_interval.low < row.drop < row.drop_interval.high
        assert found.tests.about == ("methods",)


class TestLeakage:
    def test_figures_are_marked_and_the_revised_half_alone_decides(self):
        report = report_of({"counterfactual": LEVEL}, leaked=150)
        (found,) = report.challenges

        assert table_of(report)["accuracy, %"].str.endswith(" (150 in train)").all()
        assert_names(report.tables[-1].title, "200 revised reviews alone")
        assert_names(finding_of(report, "counterfactual"), "revised reviews")
        for row in found.rows:
            assert row.drop == pytest.approx(row.scores["revised"].mean - row.row.accuracy)
        rnn, bow = (row.scores["revised"].mean for row in (found.rows[0], found.rows[2]))
        assert found.tests.pair("rnn", "bow").difference == pytest.approx(bow - rnn)

    def test_without_it_all_reviews_decide(self):
        (found,) = report_of({"counterfactual": LEVEL}).challenges

        assert not found.revised_alone
        for row in found.rows:
            assert row.drop == pytest.approx(row.scores["accuracy"].mean - row.row.accuracy)

    def test_a_set_without_originals_is_marked_and_decides_as_a_whole(self):
        results = MadePage(seeds=(1,), accuracy=LEVEL, challenges={"counterfactual": LEVEL}, leaked=3).results()
        made = replace(results.challenges[0], original=None)
        report = make_report(replace(results, challenges=(made,)))

        assert table_of(report)["accuracy, %"].str.endswith(" (3 in train)").all()
        assert not report.challenges[0].revised_alone
        assert "alone" not in report.tables[-1].title


class TestFindings:
    def test_the_best_model_of_a_set_and_its_drop(self):
        report = report_of({"films": {"rnn": 0.5, "lstm": 0.8, "bow": 0.7}})
        (found,) = report.challenges
        drop = found.rows[1].drop_interval

        interval = f"{100 * drop.low:+.2f} to {100 * drop.high:+.2f}"
        assert_names(
            finding_of(report, "films"), "lstm", "80.00 %", f"{-100 * found.rows[1].drop:.2f} points below", interval
        )

    def test_two_that_only_the_set_separates(self):
        report = report_of({"films": {"rnn": 0.55, "lstm": 0.85, "bow": 0.6}})

        said = finding_of(report, "films")
        assert_names(
            said, "bow is not significantly different from lstm on the test part", "25.00 points below it on films"
        )
        assert "rnn is" not in said  # both separate it from lstm

    def test_two_whose_order_the_set_turns_round(self):
        report = report_of({"films": {"rnn": 0.8, "lstm": 0.6, "bow": 0.6}})

        said = finding_of(report, "films")
        above = 100 * (report.verdict.rows[2].accuracy - report.verdict.rows[0].accuracy)
        assert_names(
            said, f"bow is {above:.2f} points above rnn on the test part", "20.00 points below it on films", "lstm is"
        )
        assert said.count(" on the test part and ") == 2

    def test_two_that_differ_alike_are_not_named(self):
        assert " on the test part and " not in finding_of(report_of({"films": LEVEL}), "films")

    def test_a_model_that_learned_nothing_is_not_praised(self):
        accuracy = {"rnn": 0.52, "lstm": 0.84, "bow": 0.85}
        first = report_of({"films": {"rnn": 0.9, "lstm": 0.6, "bow": 0.6}}, accuracy)
        other = report_of({"films": {"rnn": 0.7, "lstm": 0.9, "bow": 0.5}}, accuracy)

        assert not [line for line in first.findings if "films" in line]
        assert "rnn is" not in finding_of(other, "films")
        assert "bow is" in finding_of(other, "films")

    def test_one_scored_model_is_compared_with_nothing(self):
        report = report_of({"films": {"lstm": 0.7}})

        assert not [line for line in report.findings if "films" in line]
        assert "rank" not in table_of(report, "films")
        assert report_json(report)["challenges"][0]["pairs"] == []


class TestNotes:
    def test_samples_that_are_paired_are_named(self):
        results = MadePage(seeds=(1,), accuracy=LEVEL, challenges={"films": LEVEL, "typos": LEVEL}).results()
        films, typos = results.challenges
        report = make_report(replace(results, challenges=(films, replace(typos, of_test=True))))

        (said,) = [note for note in report.notes if "wider" in note]
        assert said.startswith("typos:")

    def test_a_run_whose_record_does_not_fit_is_named(self):
        results = MadePage(seeds=(1,), accuracy=LEVEL, challenges={"films": LEVEL}).results()
        report = make_report(replace(results, challenges=()))

        (said,) = [note for note in report.notes if "films" in note]
        assert_names(said, "rnn seed 1", "lstm seed 1", "evaluate")


class TestForms:
    @pytest.fixture
    def report(self) -> Report:
        challenges = {"counterfactual": {"lstm": 0.7, "bow": 0.8}, "films": LEVEL}
        return report_of(challenges, train_sizes=(1000, 4000), leaked=5)

    @pytest.mark.parametrize("form", ["terminal", "markdown", "latex"])
    def test_every_form_for_readers_has_every_cell(self, report, form):
        text = render(report, form).replace("\\_", "_").replace("\\%", "%")

        for table in report.tables[-2:]:
            assert table.title in text
            assert not [cell for cell in table.frame.to_numpy().ravel() if cell not in text]

    def test_csv_has_the_figures_of_the_largest_size(self, report):
        frame = pd.read_csv(io.StringIO(render(report, "csv"))).set_index(["experiment", "train_size"])

        accuracy = frame["challenge_counterfactual_accuracy_mean"]
        assert accuracy[("lstm", 4000)] == pytest.approx(0.7)
        assert accuracy.isna().sum() == 4
        assert frame["challenge_films_accuracy_mean"].isna().sum() == 3
        low, high = (frame[f"challenge_counterfactual_accuracy_{end}"][("bow", 4000)] for end in ("low", "high"))
        assert low < 0.8 < high
        assert frame["challenge_counterfactual_in_train"][("bow", 4000)] == 5
        assert frame["challenge_films_rank"][("bow", 4000)].startswith("a")
        assert not [name for name in frame if name.startswith("challenge_films_") and "original" in name]
        assert table_frame(report)["challenge_films_from_test_low"].dtype == "float64"

    def test_json_has_each_set_and_is_documented(self, report):
        again = json.loads(render(report, "json"))
        pairs, films = again["challenges"]

        assert (again["schema_version"], SCHEMA_VERSION) == (2, 2)
        assert (pairs["name"], pairs["reviews"], pairs["groups"], pairs["revised_alone"]) == (
            "counterfactual",
            400,
            200,
            True,
        )
        assert (films["groups"], films["of_test"], films["revised_alone"]) == (None, False, False)
        assert [row["scored"] for row in pairs["rows"]] == [False, True, True]
        assert pairs["rows"][1]["accuracy"]["mean"] == pytest.approx(0.7)
        assert "consistency" not in films["rows"][0]
        assert [pair["first"] for pair in pairs["pairs"]] == ["bow"]
        for name in (*pairs, *pairs["rows"][0]):
            assert f"`{name}`" in DOCUMENT.read_text(encoding="utf-8")

    @pytest.mark.parametrize("form", ["terminal", "markdown", "latex"])
    def test_titles_of_others_break_no_line(self, form):
        results = MadePage(seeds=(1,), accuracy=LEVEL, challenges={"films": LEVEL}).results()
        hostile = replace(results.challenges[0], title="one\n\\input{two}\rthree \x1b[31m \u202e")
        text = render(make_report(replace(results, challenges=(hostile,))), form)

        assert all(line == one_line(line) for line in text.split("\n"))

    def test_a_notebook_has_a_frame_per_set(self, report, tmp_path):
        frames = Results(report.results, tmp_path).challenges

        assert list(frames) == ["counterfactual", "films"]
        frame = frames["counterfactual"].set_index("model")
        assert frame["accuracy_mean"].dropna().to_dict() == pytest.approx({"lstm": 0.7, "bow": 0.8})
        assert frame["from_test_mean"].dtype == "float64"
        assert frame["in_train"].isna().tolist() == [True, False, False]


def test_an_incomplete_plan_has_what_its_finished_models_say():
    results = MadePage(seeds=(1,), accuracy=LEVEL, challenges={"films": LEVEL}).results()
    runs = [replace(run, status=Status.RUNNING) if run.experiment == "rnn" else run for run in results.runs]
    report = make_report(replace(results, runs=runs))

    assert table_of(report, "films")["accuracy, %"].eq("not scored").tolist() == [True, False, False]
