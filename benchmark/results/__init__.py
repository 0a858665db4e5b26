"""Read what is recorded of a plan; compare and export runs."""
