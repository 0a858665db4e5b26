import io
import sys
from functools import partial

import pytest

from benchmark.output import spell_seconds
from benchmark.training import progress
from benchmark.training.progress import BarProgress, LineProgress, NullProgress, terminal_progress
from tests.helpers.facts import assert_names


class Terminal(io.StringIO):
    """A stream that says of itself that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    """`clock(30)` lets half a minute go by."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: sum(now))
    return now.append


@pytest.fixture
def lines():
    return io.StringIO()


class TestWhereItGoes:
    def test_plain_lines_where_standard_error_is_no_terminal(self, monkeypatch, lines):
        monkeypatch.setattr(sys, "stderr", lines)
        made = terminal_progress()
        made.say("epoch 1/3")

        assert isinstance(made, LineProgress)
        assert lines.getvalue() == "  epoch 1/3\n"

    def test_a_bar_on_a_terminal(self, monkeypatch):
        monkeypatch.setattr(sys, "stderr", Terminal())

        assert isinstance(terminal_progress(), BarProgress)

    @pytest.mark.parametrize("made", [NullProgress, terminal_progress])
    def test_standard_output_is_kept_for_the_results(self, capsys, made):
        made = made()
        made.start("train", 10)
        made.advance(10, "loss 0.5")
        made.say("epoch 1/1")
        made.finish()

        out, err = capsys.readouterr()
        assert out == ""
        assert not (err and isinstance(made, NullProgress))


class TestBar:
    def test_what_was_done_before_an_interruption_is_no_speed(self):
        made = BarProgress(Terminal())
        made.start("train", 100)
        made.skip(50)
        bar = made._bar

        assert (bar.n, bar.format_dict["initial"]) == (50, 50)

    def test_it_shows_phase_reviews_and_note_and_is_wiped_when_the_phase_is_over(self, monkeypatch):
        monkeypatch.setattr(progress, "tqdm", partial(progress.tqdm, mininterval=0))  # draws at every step
        stream = Terminal()
        made = BarProgress(stream)
        made.start("train", 100)
        made.advance(100, "loss 0.5")
        made.finish()
        left = stream.getvalue().rsplit("\r", maxsplit=2)

        assert_names(stream.getvalue(), "train", "100%", "100/100", "loss 0.5")
        assert left[-2].strip() == left[-1] == ""

    def test_lines_are_printed_beside_a_bar_and_without_one_where_advancing_does_no_harm(self):
        stream = Terminal()
        made = BarProgress(stream)
        made.advance(5)
        made.finish()
        assert stream.getvalue() == ""

        made.say("before")
        made.start("train", 10)
        made.say("between")
        made.finish()
        made.say("after")
        assert_names(stream.getvalue(), "  before\n", "  between\n", "  after\n")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([("start", "train", 100), *[(7, 25, "loss 0.5")] * 4, ("finish",)], []),  # a short phase
        (
            [("start", "train", 100), *[(10, 10, "loss 0.5")] * 8],  # every half minute
            [("train", "30", "100", "1 min 10 s", "loss 0.5"), ("train", "60", "100", "40 s", "loss 0.5")],
        ),
        ([("start", "features", 40), (60, 20)], [("features", "20", "40", "1 min 00 s")]),
        # what was done before an interruption tells nothing of the time
        ([("start", "train", 100), ("skip", 50), (60, 10)], [("train", "60", "100", "4 min 00 s")]),
        # each phase counts from 0
        (
            [("start", "features", 10), (29, 10), ("finish",), ("start", "train", 20), (29, 5), (1, 5)],
            [("train", "10", "20", "30 s")],
        ),
    ],
    ids=["short", "long", "no note", "resumed", "second phase"],
)
def test_a_line_each_half_minute_has_reviews_done_and_the_time_left(lines, clock, steps, expected):
    made = LineProgress(lines)
    for name, *values in steps:
        if isinstance(name, str):
            getattr(made, name)(*values)
        else:
            clock(name)
            made.advance(*values)
    printed = lines.getvalue().splitlines()

    assert len(printed) == len(expected)
    assert "\r" not in lines.getvalue()
    for line, facts in zip(printed, expected, strict=True):
        assert line.isprintable()
        assert line.startswith(f"  {facts[0]}: {facts[1]} ")
        assert_names(line, *facts)
        assert line.endswith(facts[4] if len(facts) > 4 else line[-1])


@pytest.mark.parametrize(
    ("seconds", "spelt"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (48.2, "48 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (100_000, "27 h 46 min"),
    ],
)
def test_seconds_are_spelt_for_people(seconds, spelt):
    assert spell_seconds(seconds) == spelt
