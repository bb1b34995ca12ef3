"""Layers of pretraining; importing them imports TensorFlow."""
