"""What is left to do for a finished run."""

from dataclasses import replace

from benchmark.config.load import load_suite
from benchmark.launch.launcher import Launcher
from benchmark.plan.plan import make_plan
from benchmark.tracking import tags
from benchmark.tracking.lock import hold
from tests.helpers.recorded import NOWHERE, Made


def test_a_finished_run_is_nested_in_the_plan_that_uses_it_and_what_a_kill_left_of_it_removed(
    store, tmp_path, write_config
):
    planned = next(iter(make_plan(load_suite(write_config(), "quick"), NOWHERE).runs))
    workspace = replace(NOWHERE, tracking_uri=store.uri, cache_dir=tmp_path / ".benchmark")
    launcher = Launcher(store, workspace, lambda _: None, parent_id="a plan")
    finished = Made(experiment="rnn", fingerprint=planned.fingerprint).record(store)
    left_over = workspace.checkpoint_dir(planned.identity) / "step-000000001"
    left_over.mkdir(parents=True)

    with hold(workspace.lock(planned.identity)):  # who does the run afresh needs its checkpoint
        launcher.adopt(planned, finished)
        assert left_over.exists()
    launcher.adopt(planned, finished)

    assert store.run(finished.run_id).tags[tags.PARENT] == "a plan"
    assert not left_over.parent.exists()
