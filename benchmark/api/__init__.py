"""The Python front door; `benchmark` itself names everything in it."""
