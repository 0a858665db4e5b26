"""Launch runs: worker processes, run locks, recovery after a kill."""
