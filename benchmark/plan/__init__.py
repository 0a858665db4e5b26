"""Plan the runs: which are wanted, what identifies each, how each stands."""
