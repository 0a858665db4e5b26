"""`validate`: an experiments.yaml checked without training anything."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.launch.process import EXIT_DONE
from data_pipeline.errors import one_line


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: the one that `run` would use")


def execute(arguments: argparse.Namespace) -> int:
    """Print that it is valid, and its profiles; encoders in folders of this machine are checked too."""
    from benchmark.config.load import locate_config, profile_names
    from benchmark.plan.encoder import check_local_encoders

    path = locate_config(arguments.file)
    profiles = profile_names(path)
    check_local_encoders(path)
    print(one_line(f"{path}: valid; profiles: {', '.join(profiles)}"))
    return EXIT_DONE
