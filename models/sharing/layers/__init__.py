"""Keras layers of sharing schemes: apart, since specs import the schemes without Keras."""
