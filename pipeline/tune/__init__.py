"""`rootstock tune`: a search for better values of the fields of a spec."""
