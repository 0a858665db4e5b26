"""`python -m benchmark` and `imdb-benchmark`."""

import sys

from benchmark.startup import drop_working_folder, prepare_process


def main() -> int:
    """Start this process, then run the command."""
    try:
        prepare_process()
    except (ImportError, FileNotFoundError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    from benchmark.cli.main import main as run_command  # not above: it imports what a user's file may shadow

    return run_command()


if __name__ == "__main__":
    drop_working_folder()
    sys.exit(main())
