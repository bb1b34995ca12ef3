"""`rootstock auto`: from data to the best served model within a time budget."""
