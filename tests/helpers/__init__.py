"""What several test files share: made-up stores, servers, processes and their outcomes."""
