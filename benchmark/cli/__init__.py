"""Parse and print: one file per command."""
