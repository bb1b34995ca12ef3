"""Kinds of inputs, and the features that they become."""
