"""Inputs into features, by input kind: the state of their preprocessing from training data."""
