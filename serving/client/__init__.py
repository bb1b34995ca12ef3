"""A client of the embedded server and of TF Serving."""
