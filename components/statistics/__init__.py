"""Statistics of columns, and the stage that computes them."""
