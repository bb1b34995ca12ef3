"""The multitask model and its training step."""
