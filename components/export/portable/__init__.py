"""Forms of a model for runtimes other than TensorFlow, one a file."""
