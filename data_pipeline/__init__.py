"""Text in, tensors out: reviews, their one split, tokens and batches. Imports nothing of ours."""
