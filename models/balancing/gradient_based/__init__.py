"""Gradient based."""
