"""Preprocessing in TensorFlow, by feature kind."""
