"""Looks at machine, reviews, store and cache, says what is wrong and what to do about it, and changes nothing."""
