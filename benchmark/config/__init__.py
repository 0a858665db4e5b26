"""Read experiments.yaml: typed, checked, overridden."""
