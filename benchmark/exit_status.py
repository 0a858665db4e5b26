"""What a process of ours ends with."""

EXIT_DONE = 0
EXIT_FAILED = 1  # something ran and failed
EXIT_USAGE = 2  # bad input, told in one line
EXIT_INTERRUPTED = 130  # by Ctrl-C or SIGTERM, as shells have it
