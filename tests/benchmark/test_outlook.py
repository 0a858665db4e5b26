"""`run --dry-run`: how the runs stand and what they need, and that nothing is run, recorded or downloaded."""

from dataclasses import replace

import pytest
from recorded import NOWHERE

from benchmark import throughput
from benchmark.cli import main
from benchmark.config_file import load_suite
from benchmark.outlook import Standing, need, part_sizes, standings
from benchmark.plan import make_plan
from benchmark.records import Status
from benchmark.throughput import Throughput, measure
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import run_tags
from data_pipeline.config import DataConfig

SPEED = Throughput(
    train_reviews_per_second=100.0,
    inference_reviews_per_second=200.0,
    features_reviews_per_second=None,
    parameters_total=1_000_000,
    parameters_trainable=500_000,
    tokens_per_review=10.0,
    feature_bytes=0,
    assumed_encoder=False,
)
HUB = ["bert-frozen.model.encoder={path: null, name: null, hub: a/b, revision: " + "a" * 40 + "}"]


@pytest.fixture(scope="session")
def tiny_encoder(encoder_without_weights):
    """None is loaded here."""
    return encoder_without_weights


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No cache of the hub, and no way to it."""
    monkeypatch.setattr("data_pipeline.hub.cached_snapshot", lambda *_: None)
    monkeypatch.setattr("data_pipeline.encoder.cached_snapshot", lambda *_: None)
    monkeypatch.setattr("data_pipeline.encoder.download_snapshot", lambda *_: pytest.fail("nothing is to be fetched"))


class TestStandings:
    def test_what_is_missing_is_said_to_be(self, write_config):
        found = standings(load_suite(write_config(), assignments=["seeds=1,2"]), NOWHERE, None)

        assert [(run.config.experiment_name, run.config.seed) for run in found][:5] == [
            *((name, 1) for name in ("rnn", "lstm", "bert-frozen", "bert-finetuned")),
            ("rnn", 2),
        ]
        assert {run.state for run in found} == {"missing"}

    def test_of_reviews_that_are_not_here_nothing_is_known_yet(self, write_config, tmp_path):
        path = write_config(profiles={"quick": {"data": {"source": "aclimdb", "path": None, "test_size": "all"}}})

        found = standings(load_suite(path), replace(NOWHERE, cache_dir=tmp_path), None)

        assert {run.state for run in found} == {"unknown"}
        assert found[0].advice == "`run rnn` fetches its reviews first"

    def test_an_encoder_that_is_not_here_says_nothing_of_the_other_experiments(self, write_config, offline):
        found = standings(load_suite(write_config(), assignments=HUB), NOWHERE, None)

        assert {run.config.experiment_name: run.state for run in found} == {
            "rnn": "missing",
            "lstm": "missing",
            "bert-frozen": "unknown",
            "bert-finetuned": "missing",
        }

    def test_a_finished_run_tells_how_long_its_siblings_take(self, write_config, store_uri, tmp_path):
        suite, store = load_suite(write_config(), assignments=["seeds=1,2"]), TrackingStore(store_uri, tmp_path)
        plan = make_plan(suite, NOWHERE)
        planned = plan.runs[0]
        labels = run_tags(
            parent=store.open_plan(plan.record), experiment="rnn", seed=1, fingerprint=planned.fingerprint
        )
        tracker = store.start_run("quick", "rnn seed 1", labels)
        tracker.log_metrics({"total_seconds": 77.0})
        tracker.finish(Status.FINISHED)

        rnn = [run for run in standings(suite, NOWHERE, store) if run.config.experiment_name == "rnn"]

        assert [(run.state, run.sibling_seconds) for run in rnn] == [("finished", 77.0), ("missing", 77.0)]


class TestNeed:
    def runs(self, write_config, *assignments, state="missing"):
        suite = load_suite(write_config(), assignments=["training.epochs=3", *assignments])
        return [Standing(run, state, "") for run in suite.runs()]

    def test_a_run_needs_its_epochs_with_validation_and_the_test(self, write_config):
        found = need(self.runs(write_config), NOWHERE, lambda _: SPEED)

        assert found.seconds[0] == pytest.approx(3 * (200 / 100 + 50 / 200) + 60 / 200)

    def test_the_pass_of_a_frozen_encoder_is_paid_once_by_the_first_seed(self, write_config):
        frozen = replace(SPEED, features_reviews_per_second=31.0)

        first, second = need(
            [r for r in self.runs(write_config, "seeds=1,2") if r.config.experiment_name == "bert-frozen"],
            NOWHERE,
            lambda _: frozen,
        ).seconds

        assert first - second == pytest.approx(310 / 31)

    def test_each_experiment_that_is_not_finished_is_measured_once(self, write_config):
        runs, asked = self.runs(write_config, "seeds=1,2"), []
        runs = [replace(run, state="finished") if run.config.experiment_name == "rnn" else run for run in runs]

        found = need(runs, NOWHERE, lambda run: asked.append(run.experiment_name) or SPEED)

        assert sorted(asked) == ["bert-finetuned", "bert-frozen", "lstm"]
        assert found.seconds[0] == 0.0

    def test_what_a_finished_sibling_took_counts_more_than_a_measurement(self, write_config):
        runs = [replace(run, sibling_seconds=5.0) for run in self.runs(write_config)]

        assert need(runs, NOWHERE, lambda _: SPEED).seconds == (5.0,) * 4

    def test_nothing_missing_needs_nothing(self, write_config):
        found = need(self.runs(write_config, state="finished"), NOWHERE, lambda _: pytest.fail("measured"))

        assert (found.cache_bytes, found.record_bytes, sum(found.seconds)) == (0, 0, 0)

    def test_features_and_the_archive_count_as_disk(self, write_config, tmp_path):
        runs = self.runs(write_config)
        official = write_config(profiles={"quick": {"data": {"source": "aclimdb", "path": None}}})
        fetched = [Standing(run, "unknown", "") for run in load_suite(official).runs()]
        plain = need(runs, NOWHERE, lambda _: SPEED).cache_bytes

        with_features = need(runs, NOWHERE, lambda _: replace(SPEED, feature_bytes=1000)).cache_bytes
        with_archive = need(fetched, replace(NOWHERE, cache_dir=tmp_path), lambda _: SPEED).cache_bytes

        assert with_features - plain == 4 * 310 * 1000
        assert with_archive - plain > 80_000_000

    def test_before_the_official_reviews_are_here_their_sizes_are_known(self):
        data = DataConfig(source="aclimdb", train_size="all", val_size=5000, test_size="all")

        assert part_sizes(data) == (20_000, 5_000, 25_000)


class TestThroughput:
    @pytest.fixture(autouse=True)
    def short(self, monkeypatch):
        monkeypatch.setattr(throughput, "SECONDS", 0.02)
        monkeypatch.setattr(throughput, "MOST_REVIEWS", 64)

    def run(self, write_config, name, *assignments):
        suite = load_suite(write_config(), assignments=["tokens.max_length=16", *assignments])
        return next(run for run in suite.runs() if run.experiment_name == name)

    def test_a_model_is_trained_and_evaluated_at_the_size_of_its_whole_vocabulary(self, write_config):
        found = measure(self.run(write_config, "lstm", "lstm.tokens.vocab_size=5000"), "cpu")

        assert found.train_reviews_per_second > 0
        assert found.inference_reviews_per_second > 0
        assert found.parameters_total > 5000 * 16
        assert (found.features_reviews_per_second, found.feature_bytes, found.assumed_encoder) == (None, 0, False)
        assert 200 < found.tokens_per_review < 350

    def test_a_frozen_encoder_is_timed_apart_from_its_head(self, write_config):
        run = self.run(write_config, "bert-frozen", "bert-frozen.model.encoder={path: null, name: null}")

        found = measure(run, "cpu")

        assert found.features_reviews_per_second > 0
        assert found.feature_bytes == 7 * 2 * 384 * 2
        assert found.parameters_trainable < found.parameters_total

    def test_for_an_encoder_that_is_not_here_bert_base_stands_in(self, write_config, offline):
        found = measure(self.run(write_config, "bert-frozen", *HUB), "cpu")

        assert found.assumed_encoder
        assert 100_000_000 < found.parameters_total < 120_000_000


def test_the_command_prints_the_plan_and_what_it_needs_and_leaves_nothing(write_config, tmp_path, monkeypatch, capsys):
    write_config()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    monkeypatch.setattr(throughput, "measure", lambda run, device: SPEED)
    before = sorted(tmp_path.iterdir())

    status = main(
        ["run", "lstm", "rnn", "--dry-run", "--seed", "1", "2", "--config", str(tmp_path / "experiments.yaml")]
    )

    out = capsys.readouterr().out
    assert status == 0
    assert [line.split()[:4] for line in out.splitlines()[3:7]] == [
        ["rnn", "1", "2", "missing"],
        ["lstm", "1", "2", "missing"],
        ["rnn", "2", "2", "missing"],
        ["lstm", "2", "2", "missing"],
    ]
    assert "time: about 19 s on this machine" in out
    assert "MiB in the cache" in out
    assert "in the tracking store" in out
    assert sorted(tmp_path.iterdir()) == before
