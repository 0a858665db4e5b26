"""Optuna's part of the suite: what is searched, how a study goes on, what it found. Imported nowhere else."""
