"""Heads: the Keras side of every task kind."""
