"""Measurements of models: gradients, task affinity, floating-point operations."""
