"""Keras layers of pretrained trunks. Importing their modules imports TensorFlow."""
