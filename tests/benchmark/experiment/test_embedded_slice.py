"""The shipped experiments.yaml end to end on a few of the real reviews with the real MiniLM, without a network."""

import os
import subprocess
import sys
from pathlib import Path

from tests.helpers.facts import assert_names
from tests.helpers.shell import rows

ROOT = Path(__file__).resolve().parents[3]
TRAINED = ["rnn", "bert-frozen", "bert-finetuned"]
OTHERS = ["lstm", "lstm-attention", "bow"]
SLICE = ["data.train_size=64", "data.val_size=32", "data.test_size=32", "tokens.max_length=32", "training.epochs=1"]
NO_PROXY = "http://127.0.0.1:9"  # nothing listens there, so every request to the network fails


def test_models_finish_and_the_report_has_rows_sources_and_costs(tmp_path):
    options = [word for setting in SLICE for word in ("--set", setting)]
    network = {"HF_HUB_OFFLINE": "1", "http_proxy": NO_PROXY, "https_proxy": NO_PROXY}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmark",
            "run",
            *TRAINED,
            "--seed",
            "1",
            "--config",
            str(ROOT / "experiments.yaml"),
            *options,
        ],
        cwd=tmp_path,
        env=os.environ | network | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert_names(done.stderr, "3 finished", "0 skipped", "0 failed")
    table = rows(done.stdout)
    assert list(table) == TRAINED
    assert_names(next(line for line in done.stdout.splitlines() if line.startswith("Not run")), *OTHERS)
    assert [table[name][0] for name in TRAINED] == ["1 of 1"] * 3
    assert all(0 <= float(table[name][1]) <= 100 for name in TRAINED)
    assert_names(done.stdout, "IMDB", "64 train", "32 val", "32 test", "sentence-transformers/all-MiniLM-L6-v2")
    # The real encoder: MiniLM's 22.6 million parameters, trained by one of the two.
    cells = [[cell.strip() for cell in line.split("│")[2:4]] for line in done.stdout.splitlines() if "│ bert-" in line]
    assert [cell for cell in cells if cell[0].endswith(" M")] == [["22.7 M", "86.1 k"], ["22.6 M", "22.6 M"]]
    assert done.stdout.count("set-up)") == 3  # published figures, of which none has a difference from ours
    assert "(ours " not in done.stdout
