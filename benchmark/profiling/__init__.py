"""Measure how fast a model is here, and estimate what a plan takes."""
