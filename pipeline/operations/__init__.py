"""What operators do with pushed models."""
