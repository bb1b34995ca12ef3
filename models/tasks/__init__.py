"""Tasks: what a model predicts. One module per kind."""
