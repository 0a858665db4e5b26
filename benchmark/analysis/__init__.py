"""Statistics of predictions. Reads records and arrays, never models; imports no torch."""
