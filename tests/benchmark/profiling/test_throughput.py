"""How fast a model is here: what is measured, where it is written down, and what reads it."""

import json
from dataclasses import replace
from functools import partial

import pytest
from mlflow import MlflowClient
from transformers import BertConfig

from benchmark.cli.main import main
from benchmark.config.load import load_suite, parse_assignments
from benchmark.plan.plan import make_plan
from benchmark.profiling import throughput
from benchmark.profiling.measure import measure_in_subprocess
from benchmark.profiling.throughput import measure
from benchmark.report.table import make_report
from benchmark.tracking.records import RunRecord, Status
from benchmark.tracking.speed import Throughput
from benchmark.tracking.store import TrackingStore
from data_pipeline.errors import InputError
from tests.helpers.facts import assert_names
from tests.helpers.recorded import HUB, NOWHERE, SPEED, results_of

pytestmark = pytest.mark.process

MEASURE = "benchmark.profiling.measure.measure_in_subprocess"


class TestMeasuring:
    @pytest.fixture(autouse=True)
    def short(self, monkeypatch):
        monkeypatch.setattr(throughput, "SECONDS", 0.02)
        monkeypatch.setattr(throughput, "MOST_REVIEWS", 64)

    def run(self, write_config, name, *assignments):
        suite = load_suite(write_config(), settings=parse_assignments(["tokens.max_length=16", *assignments]))
        return next(run for run in suite.runs() if run.experiment_name == name)

    # An LSTM of 16 units over 16 inputs: 4 gates x 16 units x (16 + 16) numbers, 2 operations each, for each token;
    # then 16 x 2 for the logits. Attention has 8 units that score each state. Backwards it is twice that.
    @pytest.mark.parametrize(("name", "scoring"), [("lstm", 0), ("lstm-attention", 2 * (16 * 8 + 8) * 16)])
    def test_a_model_is_measured_at_its_whole_vocabulary_and_its_real_tokens(self, write_config, name, scoring):
        config = write_config(profiles={"quick": {"experiments": [name]}})
        settings = parse_assignments(["tokens.max_length=16", f"{name}.tokens.vocab_size=5000"])
        found = measure(load_suite(config, settings=settings).runs()[0], "cpu")

        assert found.parameters_total > 5000 * 16
        assert (found.features_reviews_per_second, found.feature_bytes, found.assumed_encoder) == (None, 0, False)
        assert 200 < found.tokens_per_review < 350
        assert found.train_tokens_per_second == pytest.approx(16 * found.train_reviews_per_second, rel=0.05)
        assert found.inference_reviews_per_second > 0
        assert 0 < found.latency_p50_ms <= found.latency_p95_ms
        assert found.peak_memory_mib > 100
        assert 0 <= found.taken <= 1
        forward = 2 * (4 * 16 * (16 + 16)) * 16 + 2 * 16 * 2 + scoring
        assert found.train_gflops * 1e9 == pytest.approx(3 * forward * found.train_reviews_per_second, rel=0.05)
        assert found.share_of_peak == pytest.approx(found.train_gflops / found.matmul_gflops)

    def test_a_network_that_multiplies_no_matrices_has_no_share_of_their_peak(self, write_config):
        bow = write_config(profiles={"quick": {"experiments": ["bow"]}})
        found = measure(load_suite(bow).runs()[0], "cpu")

        assert (found.train_gflops, found.matmul_gflops, found.share_of_peak) == (None, None, None)
        assert found.train_reviews_per_second > 0
        assert found.parameters_total == 2000 + 1

    def test_a_frozen_encoder_is_timed_apart_from_its_head(self, write_config):
        run = self.run(write_config, "bert-frozen", "bert-frozen.model.encoder={path: null, name: null}")
        found = measure(run, "cpu")

        assert found.features_reviews_per_second > 0
        assert found.feature_bytes == 7 * 2 * 384 * 2
        assert found.parameters_trainable < found.parameters_total

    def test_for_an_encoder_that_is_not_here_bert_base_stands_in(self, write_config, offline, monkeypatch):
        monkeypatch.setattr("transformers.BertConfig", partial(BertConfig, num_hidden_layers=1))  # of 12, for speed
        found = measure(self.run(write_config, "bert-frozen", *HUB), "cpu")

        assert found.assumed_encoder
        assert found.parameters_total > 30_522 * 768  # BERT base's words, and their width


def test_a_process_that_fails_names_the_model_and_its_last_line(write_config):
    run = load_suite(write_config(), settings={"bert-frozen.model.encoder.path": "nowhere"}).runs()[2]

    with pytest.raises(InputError) as failed:
        measure_in_subprocess(run, "cpu")
    assert_names(failed, "bert-frozen", "nowhere")


class TestCommand:
    @pytest.fixture(autouse=True)
    def here(self, monkeypatch, tmp_path, store_uri, write_config):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
        monkeypatch.setattr(MEASURE, lambda run, device: SPEED)
        write_config()

    def test_each_model_is_an_object_of_the_array_with_what_run_all_would_take(self, capsys):
        assert main(["throughput", "lstm", "rnn", "--json"]) == 0

        found = json.loads(capsys.readouterr().out)
        assert [speed["model"] for speed in found] == ["rnn", "lstm"]
        assert found[0]["train_reviews_per_second"] == 100.0
        assert found[0]["estimated_run_all_seconds"] == pytest.approx(2 * (200 / 100 + 50 / 200) + 60 / 200)

    def test_the_table_names_every_figure_and_leaves_those_that_there_are_none_of_blank(self, capsys, monkeypatch):
        speeds = {"rnn": SPEED, "lstm": replace(SPEED, train_gflops=None, matmul_gflops=None, share_of_peak=None)}
        monkeypatch.setattr(MEASURE, lambda run, device: speeds[run.experiment_name])
        main(["throughput", "rnn", "lstm"])

        out = capsys.readouterr().out
        [training] = [line.split() for line in out.splitlines() if line.startswith("training, reviews/s")]
        assert training[-2:] == ["100.0"] * 2
        assert [line.split()[-2:] for line in out.splitlines() if "peak" in line and "%" in line] == [["60", "%"]]
        assert_names(out, "run all --profile quick", "10 s")

    def test_it_is_recorded_shown_in_the_report_and_believed_by_a_dry_run(
        self, capsys, monkeypatch, store_uri, tmp_path, write_config
    ):
        main(["throughput", "lstm"])
        monkeypatch.setattr(
            "benchmark.profiling.measure.measure_in_subprocess", lambda *_: pytest.fail("measured again")
        )

        store = TrackingStore(store_uri, tmp_path)
        plan = make_plan(load_suite(write_config()), NOWHERE)
        lstm = next(row for row in plan.record.rows if row.experiment == "lstm")
        assert store.speeds("quick") == {lstm.fingerprint: SPEED}
        table = make_report(results_of(plan.record, [], store.speeds("quick"))).cost
        assert list(table["inference, reviews/s"]) == ["", "150.0", "", ""]
        assert list(table["one review, ms"]) == ["", "7.2", "", ""]

        capsys.readouterr()
        assert main(["run", "lstm", "--dry-run"]) == 0
        assert "5 s" in capsys.readouterr().out

    def test_on_a_busy_machine_it_measures_again_and_what_stays_doubtful_is_marked_and_never_used(
        self, capsys, monkeypatch, store_uri, tmp_path
    ):
        store, taken = TrackingStore(store_uri, tmp_path), iter([0.0, 0.9, 0.5, 0.4, 0.01])
        monkeypatch.setattr(MEASURE, lambda run, device: replace(SPEED, latency_p50_ms=9.0, taken=next(taken)))

        assert main(["throughput", "lstm"]) == 0
        quiet = store.speeds("quick")
        assert [speed.taken for speed in quiet.values()] == [0.0]
        assert main(["throughput", "lstm", "--json"]) == 0
        said = capsys.readouterr()
        assert json.loads(said.out[said.out.index("[") :])[0]["taken"] == 0.5
        assert_names(said.err, "90 %", "`report`", "`run --dry-run`")
        assert store.speeds("quick") == quiet  # a busy machine hides no good measurement
        assert store.runs("quick", "throughput")[0].metrics["taken"] == 0.5
        main(["throughput", "lstm"])  # quiet at the second try
        assert [speed.taken for speed in store.speeds("quick").values()] == [0.01]

    def test_records_made_before_the_mark_count(self):
        metrics = {name: value for name, value in SPEED.metrics().items() if name != "taken"}

        assert not Throughput.from_metrics(metrics).busy

    def test_a_dry_run_measures_again_what_was_measured_on_a_busy_machine_and_says_if_it_still_is(
        self, capsys, monkeypatch
    ):
        monkeypatch.setattr(MEASURE, lambda run, device: replace(SPEED, taken=0.5))
        main(["throughput", "lstm"])
        capsys.readouterr()

        assert main(["run", "lstm", "--dry-run"]) == 0
        out, err = capsys.readouterr()
        assert_names(err, "measuring lstm", "50 %")
        assert "other programs" in next(line for line in out.splitlines() if line.startswith("  lstm: "))

    def test_what_two_machines_measured_is_never_shown_together(self, store_uri, tmp_path, monkeypatch):
        nothing = dict.fromkeys(["train_gflops", "matmul_gflops", "share_of_peak"])
        speed = replace(SPEED, features_reviews_per_second=3.5, feature_bytes=10, **nothing)
        monkeypatch.setattr(MEASURE, lambda run, device: speed)
        main(["throughput", "lstm", "rnn"])
        store = TrackingStore(store_uri, tmp_path)
        here, last = store.speeds("quick"), store.runs("quick", "throughput")[0]
        MlflowClient(store_uri).set_tag(last.run_id, "hardware", "another processor")

        assert list(here.values()) == [speed] * 2
        assert store.speeds("quick") == {last.fingerprint: here[last.fingerprint]}
        assert store.speeds("quick", "a third processor") == {}  # a measurement of elsewhere is not believed


def test_without_measurements_the_table_has_neither_columns_nor_runs_of_them(write_config):
    plan = make_plan(load_suite(write_config()), NOWHERE).record
    other = RunRecord("id", "x", "lstm", 1, "another fingerprint", Status.FINISHED)
    report = make_report(results_of(plan, [other]))

    assert "one review, ms" not in report.cost
    assert set(report.quality["test accuracy, %"]) == {"missing"}
