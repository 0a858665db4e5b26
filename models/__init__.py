"""Tensors in, logits out. Imports data_pipeline.batch and nothing else of ours."""
