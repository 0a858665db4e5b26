"""`run --dry-run`: how the runs stand and what they need, and that nothing is run, recorded or downloaded."""

from dataclasses import replace

import pytest

from benchmark.cli.main import main
from benchmark.config.load import load_suite, parse_assignments
from benchmark.plan.plan import make_plan
from benchmark.plan.status import RunState, run_states
from benchmark.profiling.estimate import estimate, part_sizes
from benchmark.tracking.records import Status
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import run_tags
from data_pipeline.config import DataConfig
from tests.helpers.facts import assert_names
from tests.helpers.recorded import HUB, NOWHERE, SPEED


class TestRunStates:
    def test_runs_without_a_record_are_missing(self, write_config):
        found = run_states(load_suite(write_config(), settings={"seeds": [1, 2]}), NOWHERE, [])

        assert [(run.config.experiment_name, run.config.seed) for run in found][:5] == [
            *((name, 1) for name in ("rnn", "lstm", "bert-frozen", "bert-finetuned")),
            ("rnn", 2),
        ]
        assert {run.state for run in found} == {"missing"}

    def test_runs_on_reviews_that_are_not_here_are_unknown(self, write_config, tmp_path):
        path = write_config(profiles={"quick": {"data": {"source": "aclimdb", "path": None, "test_size": "all"}}})
        found = run_states(load_suite(path), replace(NOWHERE, cache_dir=tmp_path), [])

        assert {run.state for run in found} == {"unknown"}
        assert "run rnn" in found[0].advice

    def test_a_missing_encoder_leaves_the_other_experiments_known(self, write_config, offline):
        found = run_states(load_suite(write_config(), settings=parse_assignments(HUB)), NOWHERE, [])
        unknown = [run.config.experiment_name for run in found if run.state == "unknown"]

        assert unknown == ["bert-frozen"]
        assert [run.state for run in found].count("missing") == 3

    def test_siblings_take_as_long_as_a_finished_run(self, write_config, store_uri, tmp_path):
        suite, store = load_suite(write_config(), settings={"seeds": [1, 2]}), TrackingStore(store_uri, tmp_path)
        plan = make_plan(suite, NOWHERE)
        planned = plan.runs[0]
        parent = store.open_plan(plan.record)
        labels = run_tags(parent=parent, experiment="rnn", seed=1, fingerprint=planned.fingerprint)
        tracker = store.start_run("quick", "rnn seed 1", labels)
        tracker.log_metrics({"total_seconds": 77.0})
        tracker.finish(Status.FINISHED)

        rnn = [run for run in run_states(suite, NOWHERE, store.runs("quick")) if run.config.experiment_name == "rnn"]

        assert [(run.state, run.sibling_seconds) for run in rnn] == [("finished", 77.0), ("missing", 77.0)]


class TestEstimate:
    def runs(self, write_config, *assignments, state="missing"):
        suite = load_suite(write_config(), settings=parse_assignments(["training.epochs=3", *assignments]))
        return [RunState(run, state, "") for run in suite.runs()]

    def test_a_run_needs_its_epochs_with_validation_and_the_test(self, write_config):
        found = estimate(self.runs(write_config), NOWHERE, lambda _: SPEED)

        assert found.seconds[0] == pytest.approx(3 * (200 / 100 + 50 / 200) + 60 / 200)

    def test_the_pass_of_a_frozen_encoder_is_paid_once_by_the_first_seed(self, write_config):
        frozen = replace(SPEED, features_reviews_per_second=31.0)

        first, second = estimate(
            [r for r in self.runs(write_config, "seeds=1,2") if r.config.experiment_name == "bert-frozen"],
            NOWHERE,
            lambda _: frozen,
        ).seconds

        assert first - second == pytest.approx(310 / 31)

    def test_each_experiment_that_is_not_finished_is_measured_once(self, write_config):
        runs, asked = self.runs(write_config, "seeds=1,2"), []
        runs = [replace(run, state="finished") if run.config.experiment_name == "rnn" else run for run in runs]

        found = estimate(runs, NOWHERE, lambda run: asked.append(run.experiment_name) or SPEED)

        assert sorted(asked) == ["bert-finetuned", "bert-frozen", "lstm"]
        assert found.seconds[0] == 0.0
        siblings = [replace(run, sibling_seconds=5.0) for run in self.runs(write_config)]
        assert estimate(siblings, NOWHERE, lambda _: SPEED).seconds == (5.0,) * 4  # not measured

    def test_nothing_missing_needs_nothing(self, write_config):
        found = estimate(self.runs(write_config, state="finished"), NOWHERE, lambda _: pytest.fail("measured"))

        assert (found.cache_bytes, found.record_bytes, sum(found.seconds)) == (0, 0, 0)

    def test_features_the_archive_and_tokens_of_another_vocabulary_count_as_disk(self, write_config, tmp_path):
        def cached(runs, speed=SPEED):
            return estimate(runs, replace(NOWHERE, cache_dir=tmp_path), lambda _: speed).cache_bytes

        runs, other_words = self.runs(write_config), self.runs(write_config, "lstm.tokens.vocab_size=50")
        official = write_config(profiles={"quick": {"data": {"source": "aclimdb", "path": None}}})
        fetched = [RunState(run, "unknown", "") for run in load_suite(official).runs()]

        assert cached(runs, replace(SPEED, feature_bytes=1000)) - cached(runs) == 4 * 310 * 1000
        assert cached(fetched) - cached(runs) > 80_000_000
        assert cached(other_words) - cached(runs) == 10 * 310 * 4  # those that cut reviews alike share their tokens

    def test_before_the_official_reviews_are_here_their_sizes_are_known(self):
        data = DataConfig(source="aclimdb", train_size="all", val_size=5000, test_size="all")

        assert part_sizes(data) == (20_000, 5_000, 25_000)


def test_the_command_prints_the_plan_and_what_it_needs_and_leaves_nothing(write_config, tmp_path, monkeypatch, capsys):
    config = write_config()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    monkeypatch.setattr("benchmark.profiling.measure.measure_in_subprocess", lambda run, device: SPEED)
    before = sorted(tmp_path.iterdir())

    assert main(["run", "lstm", "rnn", "--dry-run", "--seed", "1", "2", "--config", str(config)]) == 0
    out = capsys.readouterr().out
    assert [line.split()[:4] for line in out.splitlines()[3:7]] == [
        [name, seed, "2", "missing"] for seed in ("1", "2") for name in ("rnn", "lstm")
    ]
    assert_names(out, "19 s", "MiB")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("recorded")
def test_what_is_finished_needs_nothing_unless_it_is_to_be_done_anew(call, monkeypatch):
    monkeypatch.setattr("benchmark.profiling.measure.measure_in_subprocess", lambda run, device: SPEED)

    def lstm(*options: str) -> list[str]:
        return call("run", "lstm", "--dry-run", *options)[1].splitlines()[3].split()

    assert lstm()[3:] == ["finished"]
    assert lstm("--fresh")[3:] == ["finished", "5", "s"]
