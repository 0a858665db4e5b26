"""What a process of ours ends with."""

EXIT_DONE = 0
EXIT_FAILED = 1  # a run or a trial failed; the others were done
EXIT_USAGE = 2  # bad input, told in one line
EXIT_INTERRUPTED = 130  # by Ctrl-C or SIGTERM, as shells have it
