"""What predictions say. Reads records and arrays, never models; imports no torch."""
