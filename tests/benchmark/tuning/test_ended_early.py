"""A search that ends before its budget is spent: what is best so far is written, and nothing is lost by it."""

import signal
from contextlib import nullcontext

import pytest
import yaml

from benchmark.exit_status import EXIT_FAILED
from benchmark.tuning import objective, search


def interrupted_child(*_) -> int:
    raise KeyboardInterrupt


def failed_child(*_) -> int:
    return EXIT_FAILED


def killed_child(*_) -> int:
    return -signal.SIGKILL


class TestASearchThatIsEndedEarly:
    """`run_child` is the process that searches; here it ends at once, after what the test has done."""

    @pytest.fixture
    def end(self, monkeypatch):
        def call(made, how) -> list[str]:
            said = []
            monkeypatch.setattr(search, "run_child", how)
            ending = pytest.raises(KeyboardInterrupt) if how is interrupted_child else nullcontext()
            with ending:
                assert search.search(made.plan(), made.options(), made.workspace, said.append) is None
            return said

        return call

    @pytest.mark.parametrize("how", [interrupted_child, failed_child, killed_child])
    def test_has_written_the_best_so_far(self, end, searching, how):
        made = searching()
        made.study(trials=2)

        assert end(made, how)[-1] == "wrote tuned/quick/rnn.yaml"
        assert winner(made)["complete"] == 2

    def test_leaves_the_winner_of_another_study_alone(self, end, searching):
        done, made = searching("rnn.model.hidden_dim=8"), searching()
        done.study(trials=1)
        end(done, interrupted_child)
        before = winner(done)
        made.study(trials=1)

        assert end(made, interrupted_child)[-1].startswith(
            f"tuned/quick/rnn.yaml keeps the winner of study {before['study']}; "
        )
        assert winner(made) == before

    def test_writes_nothing_when_no_trial_is_complete(self, end, searching, monkeypatch):
        made = searching()
        monkeypatch.setattr(objective, "run_trial", failing_trial)
        with pytest.raises(ZeroDivisionError):
            made.study(trials=1)
        said = end(made, failed_child)

        assert not (made.folder / "tuned").exists()
        assert said == []

    def test_writes_nothing_when_it_had_not_begun(self, end, searching):
        made = searching()
        end(made, interrupted_child)

        assert not (made.folder / "tuned").exists()

    def test_says_that_the_winner_cannot_be_written_and_ends_as_it_would(self, end, searching):
        made = searching()
        made.study(trials=1)
        (made.folder / "tuned").touch()

        assert "tuned/quick/rnn.yaml: cannot be written" in end(made, interrupted_child)[-1]


def failing_trial(*_, **__):
    raise ZeroDivisionError


def winner(made) -> dict[str, object]:
    return yaml.safe_load((made.folder / "tuned/quick/rnn.yaml").read_text())["provenance"]
