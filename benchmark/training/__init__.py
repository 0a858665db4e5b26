"""One training loop for every model. Knows no model by name, no MLflow and no YAML."""
