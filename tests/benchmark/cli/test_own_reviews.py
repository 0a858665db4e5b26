"""A table of the user's own, with the commands that the README prints: nothing is set but where it lies."""

import json
import re
import shlex

import pandas as pd
import pytest

from tests.helpers.shell import ROOT, rows


@pytest.fixture
def shell(working_shell):
    return working_shell


def test_the_readmes_command_works_for_300_rows_of_review_and_sentiment(shell, reviews_csv):
    [command] = re.findall(
        r"^python -m benchmark (run .*data\.source=table.*)$", (ROOT / "README.md").read_text(), re.M
    )
    frame = pd.read_csv(reviews_csv).head(300)
    frame["sentiment"] = frame.pop("label").map({0: "negative", 1: "positive"})
    frame.rename(columns={"text": "review"}).to_csv(shell.folder / "reviews.csv", index=False)
    done = shell.call(*shlex.split(command))
    table = rows(done.out)

    assert done.status == 0, done.err
    assert [table[name][0] for name in ("bow (baseline)", "rnn")] == ["3 of 3", "3 of 3"]
    assert "60 test" in done.err
    assert "77.87" not in done.out  # a published figure, of IMDB
    settings = {run.data.params["data.path"] for run in shell.recorded("quick")}
    assert settings == {str(shell.folder / "reviews.csv")}

    answered = shell.call("predict", "--model", "bow", "--input", "reviews.csv", "--json")
    answers = [json.loads(line) for line in answered.out.splitlines()]
    assert answered.status == 0, answered.err
    assert sum(each["label"] == each["sentiment"] for each in answers) > 250
