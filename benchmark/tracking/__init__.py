"""The record: runs written to MLflow and read back. Only here, and in served_model.py, is MLflow imported."""
