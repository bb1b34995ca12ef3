"""Experts: classical models inside ours, as TensorFlow graphs. One kind per module."""
