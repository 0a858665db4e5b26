"""Do one run: data, model and trainer put together, its artifacts logged."""
