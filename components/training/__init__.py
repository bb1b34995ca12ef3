"""Training a multitask model."""
