"""The shipped experiments.yaml end to end on a few of the real reviews with the real MiniLM, without a network."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.shell import rows

ROOT = Path(__file__).resolve().parents[2]
MODELS = ["rnn", "lstm", "bert-frozen", "bert-finetuned", "lstm-attention", "bow"]
SLICE = ["data.train_size=64", "data.val_size=32", "data.test_size=32", "tokens.max_length=32", "training.epochs=1"]
NOBODY = "http://127.0.0.1:9"  # where no proxy listens: whoever asks the network fails


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    options = [word for setting in SLICE for word in ("--set", setting)]
    network = {"HF_HUB_OFFLINE": "1", "http_proxy": NOBODY, "https_proxy": NOBODY}
    return subprocess.run(
        [sys.executable, "-m", "benchmark", "run", "all", "--config", str(ROOT / "experiments.yaml"), *options],
        cwd=tmp_path_factory.mktemp("slice"),
        env=os.environ | network | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_ends_with_0(done):
    assert done.returncode == 0, done.stderr
    assert "6 finished, 0 skipped, 0 failed" in done.stderr


def test_the_table_has_a_finished_row_for_each_of_the_models(done):
    table = rows(done.stdout)

    assert [name.removesuffix(" (baseline)") for name in table] == MODELS
    assert [cells[0] for cells in table.values()] == ["1 of 1"] * len(MODELS)
    assert all(0 <= float(cells[1]) <= 100 for cells in table.values())
    # The real encoder: MiniLM's 22.6 million parameters, trained by one of the two.
    lines = done.stdout.partition("What it costs")[2].splitlines()
    cost = [line.split("│") for line in lines if line.startswith("│ bert-")]
    assert [[cell.strip() for cell in line[2:4]] for line in cost] == [["22.7 M", "86.1 k"], ["22.6 M", "22.6 M"]]


def test_the_report_says_where_the_reviews_and_the_encoder_come_from(done):
    assert "IMDB (embedded train split), 64 train, 32 val, 32 test" in done.stdout
    assert "held out of the corpus's training reviews" in done.stdout
    assert "Encoder of the BERT rows: sentence-transformers/all-MiniLM-L6-v2." in done.stdout


def test_published_figures_of_another_set_up_get_no_difference(done):
    assert done.stdout.count("(other set-up)") == 4
    assert "(ours " not in done.stdout
