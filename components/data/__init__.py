"""Reading, converting and identifying data: what several stages need."""
