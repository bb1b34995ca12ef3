"""Loss based."""
