"""Trunk, sharing, heads, balancing and training step: pure Keras, no files, no Beam, no MLflow."""
