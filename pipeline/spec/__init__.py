"""Reading, checking and writing specs."""
