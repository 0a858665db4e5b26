"""Search settings with Optuna."""
