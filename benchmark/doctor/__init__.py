"""Check machine, reviews, store and cache; say what is wrong and how to fix it; change nothing."""
