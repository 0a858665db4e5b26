"""Label and explain new reviews with a finished run."""
