import io
import sys
from typing import Any

import pytest

from benchmark import progress
from benchmark.progress import BarProgress, LineProgress, NullProgress, spell_seconds, terminal_progress


class Terminal(io.StringIO):
    """A stream that says of itself that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    """`clock(30)` lets half a minute go by."""
    now = 1000.0

    def forward(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    return forward


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

    def test_standard_output_is_kept_for_the_results(self, capsys):
        made = terminal_progress()
        made.start("train", 10)
        made.advance(10)
        made.say("done")
        made.finish()

        assert capsys.readouterr().out == ""


class TestLines:
    def test_a_short_phase_says_nothing(self, lines, clock):
        made = LineProgress(lines)
        made.start("train", 100)
        for _ in range(4):
            clock(7)
            made.advance(25, "loss 0.5")
        made.finish()

        assert lines.getvalue() == ""

    def test_a_long_phase_says_every_half_minute_how_far_it_is_and_how_long_it_will_take(self, lines, clock):
        made = LineProgress(lines)
        made.start("train", 100)
        for _ in range(8):
            clock(10)
            made.advance(10, "loss 0.5")

        assert lines.getvalue().splitlines() == [
            "  train: 30 of 100 reviews, 1 min 10 s left, loss 0.5",
            "  train: 60 of 100 reviews, 40 s left, loss 0.5",
        ]

    def test_without_a_note_the_line_ends_with_the_time(self, lines, clock):
        made = LineProgress(lines)
        made.start("features", 40)
        clock(60)
        made.advance(20)

        assert lines.getvalue() == "  features: 20 of 40 reviews, 1 min 00 s left\n"

    def test_what_was_done_before_an_interruption_tells_nothing_of_the_time(self, lines, clock):
        made = LineProgress(lines)
        made.start("train", 100)
        made.skip(50)
        clock(60)
        made.advance(10)

        assert lines.getvalue() == "  train: 60 of 100 reviews, 4 min 00 s left\n"

    def test_each_phase_counts_from_0(self, lines, clock):
        made = LineProgress(lines)
        made.start("features", 10)
        clock(29)
        made.advance(10)
        made.finish()
        made.start("train", 20)
        clock(29)
        made.advance(5)
        clock(1)
        made.advance(5)

        assert lines.getvalue() == "  train: 10 of 20 reviews, 30 s left\n"

    def test_a_line_has_no_control_characters(self, lines, clock):
        made = LineProgress(lines)
        made.start("train", 10)
        clock(100)
        made.advance(5, "loss 0.5")
        made.say("epoch 1/1: val/loss 0.4")

        assert all(line.isprintable() for line in lines.getvalue().splitlines())
        assert "\r" not in lines.getvalue()


class TestBar:
    def test_what_was_done_before_an_interruption_is_no_speed(self):
        made = BarProgress(Terminal())
        made.start("train", 100)
        made.skip(50)
        bar = made._bar

        assert (bar.n, bar.format_dict["initial"]) == (50, 50)

    def test_it_shows_phase_reviews_and_note(self, monkeypatch):
        class Eager(progress.tqdm):
            """Draws at every step, however soon after the last."""

            def __init__(self, **settings: Any) -> None:
                super().__init__(**settings, mininterval=0)

        monkeypatch.setattr(progress, "tqdm", Eager)
        stream = Terminal()
        made = BarProgress(stream)
        made.start("train", 100)
        made.advance(100, "loss 0.5")
        made.finish()

        assert "train: 100%" in stream.getvalue()
        assert "100/100" in stream.getvalue()
        assert "loss 0.5" in stream.getvalue()

    def test_it_is_wiped_when_the_phase_is_over(self):
        stream = Terminal()
        made = BarProgress(stream)
        made.start("train", 10)
        made.advance(10)
        made.finish()
        left = stream.getvalue().rsplit("\r", maxsplit=2)

        assert left[-2].strip() == left[-1] == ""

    def test_a_line_is_said_beside_a_bar_and_without_one(self):
        stream = Terminal()
        made = BarProgress(stream)
        made.say("before")
        made.start("train", 10)
        made.say("between")
        made.finish()
        made.say("after")

        for word in ("before", "between", "after"):
            assert f"  {word}\n" in stream.getvalue()

    def test_advancing_without_a_phase_does_no_harm(self):
        stream = Terminal()
        made = BarProgress(stream)
        made.advance(5)
        made.finish()

        assert stream.getvalue() == ""


def test_the_null_progress_says_nothing(capsys):
    made = NullProgress()
    made.start("train", 10)
    made.advance(10, "loss 0.5")
    made.say("epoch 1/1")
    made.finish()

    assert capsys.readouterr() == ("", "")


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
