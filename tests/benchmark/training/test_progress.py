import io
from functools import partial

import pytest

from benchmark.training import progress
from benchmark.training.progress import Progress
from tests.helpers.facts import assert_names


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    """`clock(30)` lets half a minute go by."""
    now = [1000.0]
    monkeypatch.setattr("tqdm.std.time", lambda: sum(now))
    return now.append


@pytest.mark.parametrize("stream", [None, Terminal(), io.StringIO()])
def test_standard_output_is_left_to_results_and_advancing_without_a_phase_does_no_harm(capsys, stream):
    made = Progress(stream)
    made.advance(5)
    made.start("train", 10)
    made.advance(10, "loss 0.5")
    made.say("epoch 1/1")
    made.finish()
    made.finish()

    assert capsys.readouterr() == ("", "")
    assert stream is None or "  epoch 1/1\n" in stream.getvalue()


class TestTerminal:
    def test_reviews_done_before_an_interruption_do_not_count_as_speed(self):
        made = Progress(Terminal())
        made.start("train", 100)
        made.skip(50)

        assert (made._bar.n, made._bar.format_dict["initial"]) == (50, 50)

    def test_bar_shows_phase_reviews_and_note_beside_lines_and_is_wiped_at_the_end(self, monkeypatch):
        monkeypatch.setattr(progress, "tqdm", partial(progress.tqdm, mininterval=0))  # draws at every step
        monkeypatch.setattr(progress.tqdm, "write", progress.tqdm.func.write, raising=False)
        stream = Terminal()
        made = Progress(stream)
        made.start("train", 100)
        made.advance(100, "loss 0.5")
        made.say("between")
        made.finish()
        left = stream.getvalue().rsplit("\r", maxsplit=2)

        assert_names(stream.getvalue(), "train", "100%", "100/100", "loss 0.5", "  between\n")
        assert left[-2].strip() == left[-1] == ""


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([("start", "train", 100), *[(7, 25, "loss 0.5")] * 4, ("finish",)], []),  # a short phase
        (
            [("start", "train", 100), *[(10, 10, "loss 0.5")] * 8, ("finish",)],  # every half minute
            [("train: 30 of 100", "01:10", "loss 0.5"), ("train: 60 of 100", "00:40", "loss 0.5")],
        ),
        ([("start", "features", 40), (60, 20)], [("features: 20 of 40", "01:00")]),
        # what was done before an interruption tells nothing of the time
        ([("start", "train", 100), ("skip", 50), (60, 10)], [("train: 60 of 100", "04:00")]),
        # each phase counts from 0
        (
            [("start", "features", 10), (29, 10), ("finish",), ("start", "train", 20), (29, 5), (1, 5)],
            [("train: 10 of 20", "00:30")],
        ),
    ],
    ids=["short", "long", "no note", "resumed", "second phase"],
)
def test_log_gets_a_plain_line_each_half_minute(clock, steps, expected):
    log = io.StringIO()
    made = Progress(log)
    for name, *values in steps:
        if isinstance(name, str):
            getattr(made, name)(*values)
        else:
            clock(name)
            made.advance(*values)
    printed = log.getvalue().splitlines()

    assert len(printed) == len(expected)
    for line, facts in zip(printed, expected, strict=True):
        assert line.isprintable()  # no carriage returns
        assert line.startswith(f"  {facts[0]} ")
        assert_names(line, *facts)
        assert line.endswith(facts[2] if len(facts) > 2 else "left")
