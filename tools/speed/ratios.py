"""Our speed as a multiple of the plain recipe's, runs in turn, medians: training, or a frozen encoder's pass.

    python tools/speed/ratios.py [bert-finetuned lstm lstm-64 ...] [--turns 5]

The recipe's batch size is 8 unless said. Ours starts as a run of the benchmark does, with
benchmark/launch/process.py. For a quiet machine.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from benchmark.launch.process import worker_environment

HERE = Path(__file__).parent


def pairs():
    """For each comparison the two commands."""
    batch_64 = ["--set", "training.batch_size=64"]
    ours, plain, hugging = str(HERE / "ours.py"), str(HERE / "plain_recipe.py"), str(HERE / "hf_trainer.py")
    return {
        "bert-finetuned": ([ours, "bert-finetuned", "--reviews", "640"], [plain, "bert-finetuned", "--steps", "20"]),
        "bert-frozen": ([ours, "bert-frozen", "--reviews", "1280"], [plain, "bert-frozen", "--steps", "40"]),
        "trainer": ([ours, "bert-finetuned", "--reviews", "800"], [hugging, "--reviews", "800"]),
        "lstm": ([ours, "lstm", "--reviews", "6400"], [plain, "lstm", "--steps", "40"]),
        "lstm-64-and-8": ([ours, "lstm", "--reviews", "6400", *batch_64], [plain, "lstm", "--steps", "40"]),
        "lstm-64": ([ours, "lstm", "--reviews", "6400", *batch_64],
                    [plain, "lstm", "--steps", "6", "--batch-size", "64"]),
        "rnn-64": ([ours, "rnn", "--reviews", "6400", *batch_64],
                   [plain, "rnn", "--steps", "20", "--batch-size", "64"]),
    }  # fmt: skip


def rate(command, environment=None):
    """What the command prints as reviews_per_second."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])["reviews_per_second"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    commands = pairs()
    for name in arguments.names or commands:
        ours, other = commands[name]
        found = [(rate(ours, worker_environment()), rate(other)) for _ in range(arguments.turns)]
        mine, theirs = (statistics.median(column) for column in zip(*found, strict=True))
        ratios = sorted(a / b for a, b in found)
        print(
            f"{name}: {mine:.1f} against {theirs:.1f} reviews/s, {statistics.median(ratios):.2f}x "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f} in {len(found)} turns)",
            flush=True,
        )


if __name__ == "__main__":
    main()
