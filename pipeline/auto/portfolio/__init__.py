"""What `rootstock auto` tries: one candidate per file."""
