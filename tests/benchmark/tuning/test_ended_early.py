"""A search that ends before its budget is spent: what is best so far is written, and nothing is lost by it."""

import signal
from contextlib import nullcontext

import pytest
import yaml

from benchmark.launch.process import EXIT_FAILED
from benchmark.tuning import objective, search
from tests.helpers.facts import assert_names


def interrupted(*_) -> int:
    raise KeyboardInterrupt


def failed(*_) -> int:
    return EXIT_FAILED


def killed(*_) -> int:
    return -signal.SIGKILL


@pytest.fixture
def end(monkeypatch):
    """End a search by what its worker process does at once."""

    def call(made, how) -> list[str]:
        said = []
        monkeypatch.setattr(search, "run_worker", how)
        with pytest.raises(KeyboardInterrupt) if how is interrupted else nullcontext():
            assert made.searcher(said.append).search(made.plan()) is None
        return said

    return call


def winner(made) -> dict[str, object]:
    return yaml.safe_load((made.folder / "tuned/quick/rnn.yaml").read_text())["provenance"]


def test_the_best_so_far_is_written(end, scripted):
    made = scripted()
    made.study(trials=2)

    for how in (interrupted, failed, killed):
        assert_names(end(made, how)[-1], "tuned/quick/rnn.yaml")
        assert winner(made)["complete"] == 2
        (made.folder / "tuned/quick/rnn.yaml").unlink()


def test_the_winner_of_another_study_stays(end, scripted):
    done, made = scripted("rnn.model.hidden_dim=8"), scripted()
    done.study(trials=1)
    end(done, interrupted)
    before = winner(done)
    made.study(trials=1)

    assert_names(end(made, interrupted)[-1], "tuned/quick/rnn.yaml", before["study"])
    assert winner(made) == before


def test_nothing_is_written_before_the_first_complete_trial(end, scripted, monkeypatch):
    made = scripted()
    end(made, interrupted)
    assert not (made.folder / "tuned").exists()

    monkeypatch.setattr(objective, "run_trial", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        made.study(trials=1)
    assert end(made, failed) == []
    assert not (made.folder / "tuned").exists()


def test_a_winner_that_cannot_be_written_is_reported_and_the_end_is_the_same(end, scripted):
    made = scripted()
    made.study(trials=1)
    (made.folder / "tuned").touch()

    assert_names(end(made, interrupted)[-1], "tuned/quick/rnn.yaml", "written")
