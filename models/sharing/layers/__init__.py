"""Keras layers of sharing schemes, kept apart because specs import the schemes without Keras."""
