"""The record: runs written to MLflow and read back."""
