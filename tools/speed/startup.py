"""Seconds from `python -m benchmark run` to the end of its first training step, everything cached.

    python tools/speed/startup.py [--turns 3] lstm --profile full --data ARCHIVE ...

What follows the options is given to `run`. It must have been run before with another seed, so that the cache is full.
The run is interrupted after its first step, and goes on when it is called again.
"""

import argparse
import os
import pty
import statistics
import subprocess
import sys
import termios
import time


def seconds_to_first_step(arguments):
    """Start a run, wait until its bar on a terminal shows a loss, interrupt it."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 200))  # wide enough for the bar's loss
    started = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "benchmark", "run", *arguments], stderr=theirs, stdout=theirs)
    os.close(theirs)
    seen = b""
    while b", loss" not in seen:
        try:
            seen += os.read(ours, 4096)
        except OSError:
            sys.exit(f"the run ended without a training step: {seen.decode()[-500:]}")
    seconds = time.perf_counter() - started
    child.terminate()  # SIGINT is ignored by what a shell starts in the background
    while True:
        try:
            os.read(ours, 4096)
        except OSError:
            break
    child.wait()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    arguments, given = parser.parse_known_args()
    seconds = [seconds_to_first_step(given) for _ in range(arguments.turns)]
    print(f"first step after {statistics.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f})")


if __name__ == "__main__":
    main()
