"""What the stages need to know about each kind of input."""
