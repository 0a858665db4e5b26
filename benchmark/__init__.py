"""Runs, records and compares the models of this benchmark."""
