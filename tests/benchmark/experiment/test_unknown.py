"""Reviews that a vocabulary does not know: recorded, reported, refused."""

import io

import pytest

from benchmark.experiment.run import run_experiment
from benchmark.experiment.unknown import check_unknown
from benchmark.plan.workspace import Workspace
from benchmark.training.progress import Progress
from data_pipeline.config import TokensConfig
from data_pipeline.errors import DataError
from data_pipeline.pipeline import Data, part_of_texts
from data_pipeline.tokenization import PAD, UNK, WordPieceTokenizer, WordTokenizer
from tests.benchmark.conftest import SPECIAL_TOKENS
from tests.helpers.facts import assert_names
from tests.helpers.null_tracker import NullTracker
from tests.helpers.trained import run_of


class KeepsMetrics(NullTracker):
    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}

    def log_metrics(self, metrics: dict[str, float], step: int = 0) -> None:
        self.metrics |= metrics


def data_of(**texts: list[str]) -> Data:
    tokenizer = WordTokenizer([PAD, UNK, "good", "film"])
    return Data(tokenizer, {name: part_of_texts(part, tokenizer, TokensConfig()) for name, part in texts.items()})


def test_share_and_unreadable_reviews_are_recorded_per_part_and_little_is_not_reported():
    tracker, said = KeepsMetrics(), io.StringIO()
    known = ["good film"] * 9
    check_unknown(data_of(train=known, val=[*known, "good bad"], test=[*known, "bad"]), tracker, Progress(said))

    assert tracker.metrics == {
        **{"unknown_tokens/train": 0.0, "unknown_tokens/val": 1 / 20, "unknown_tokens/test": 1 / 19},
        **{"unreadable_reviews/train": 0, "unreadable_reviews/val": 0, "unreadable_reviews/test": 1},
    }
    assert_names(said.getvalue(), "1 of 10", "test")
    assert len(said.getvalue().splitlines()) == 1


def test_more_than_a_fifth_is_reported_with_part_share_and_fix():
    said = io.StringIO()
    check_unknown(data_of(train=["good film"], test=["good old film"]), NullTracker(), Progress(said))
    (line,) = said.getvalue().splitlines()

    assert_names(line, "33.3 %", "test", "min_count")


@pytest.mark.parametrize("text", ["这部电影非常精彩", "GOOD-ISH", ""], ids=["no blanks", "capitals", "empty"])
def test_next_to_nothing_known_is_refused_in_one_line_and_recorded_first(text):
    tracker = KeepsMetrics()

    with pytest.raises(DataError) as caught:
        check_unknown(data_of(train=["good film"], test=[text] * 9), tracker, Progress())

    assert_names(caught, "100.0 %", "test", "95 %", "min_count")
    assert len(str(caught.value)) < 200
    assert tracker.metrics["unknown_tokens/test"] == 1.0


def test_capitals_under_a_lower_case_vocabulary_of_word_pieces_are_refused(tmp_path):
    from transformers import BertTokenizer

    words = [*SPECIAL_TOKENS, "good", "film"]
    BertTokenizer(vocab={word: at for at, word in enumerate(words)}, do_lower_case=False).save_pretrained(tmp_path)
    tokenizer = WordPieceTokenizer(tmp_path)
    data = Data(tokenizer, {"test": part_of_texts(["GOOD FILM"], tokenizer, TokensConfig())})

    with pytest.raises(DataError) as caught:
        check_unknown(data, NullTracker(), Progress())

    assert_names(caught, "100.0 %", "test", "encoder", "case")


@pytest.mark.process
def test_a_run_is_refused_before_it_trains(plan, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.experiment.run.Trainer", lambda *_, **__: pytest.fail("nothing is to be trained"))
    tracker = KeepsMetrics()

    with pytest.raises(DataError, match="unknown"):
        run_experiment(
            run_of(plan("rnn.tokens.min_count=9999"), "rnn"), Workspace("-", tmp_path, "cpu"), tracker, Progress()
        )

    assert tracker.metrics["unknown_tokens/train"] == 1.0
