"""A search that ends before its budget is spent: what is best so far is written, and nothing is lost by it."""

import signal
from contextlib import nullcontext

import pytest
import yaml

from benchmark.launch.process import EXIT_FAILED
from benchmark.tuning import objective, search
from tests.helpers.facts import assert_names


def interrupted_child(*_) -> int:
    raise KeyboardInterrupt


def failed_child(*_) -> int:
    return EXIT_FAILED


def killed_child(*_) -> int:
    return -signal.SIGKILL


class TestASearchThatIsEndedEarly:
    """`run_worker` is the process that searches; here it ends at once, after what the test has done."""

    @pytest.fixture
    def end(self, monkeypatch):
        def call(made, how) -> list[str]:
            said = []
            monkeypatch.setattr(search, "run_worker", how)
            ending = pytest.raises(KeyboardInterrupt) if how is interrupted_child else nullcontext()
            with ending:
                assert search.search(made.plan(), made.options(), made.workspace, said.append) is None
            return said

        return call

    def test_has_written_the_best_so_far(self, end, searching):
        made = searching()
        made.study(trials=2)

        for how in (interrupted_child, failed_child, killed_child):
            assert_names(end(made, how)[-1], "tuned/quick/rnn.yaml")
            assert winner(made)["complete"] == 2
            (made.folder / "tuned/quick/rnn.yaml").unlink()

    def test_leaves_the_winner_of_another_study_alone(self, end, searching):
        done, made = searching("rnn.model.hidden_dim=8"), searching()
        done.study(trials=1)
        end(done, interrupted_child)
        before = winner(done)
        made.study(trials=1)

        assert_names(end(made, interrupted_child)[-1], "tuned/quick/rnn.yaml", before["study"])
        assert winner(made) == before

    def test_writes_nothing_before_the_first_complete_trial(self, end, searching, monkeypatch):
        made = searching()
        end(made, interrupted_child)
        assert not (made.folder / "tuned").exists()

        monkeypatch.setattr(objective, "run_trial", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            made.study(trials=1)
        assert end(made, failed_child) == []
        assert not (made.folder / "tuned").exists()

    def test_reports_a_winner_that_cannot_be_written_and_ends_the_same(self, end, searching):
        made = searching()
        made.study(trials=1)
        (made.folder / "tuned").touch()

        assert_names(end(made, interrupted_child)[-1], "tuned/quick/rnn.yaml", "written")


def winner(made) -> dict[str, object]:
    return yaml.safe_load((made.folder / "tuned/quick/rnn.yaml").read_text())["provenance"]
