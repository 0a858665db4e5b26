"""Text in, tensors out: reviews, their one split, tokens and batches. Imports no other package of this project."""
