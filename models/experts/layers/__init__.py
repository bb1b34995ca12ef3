"""What experts are built from. It may import TensorFlow."""
