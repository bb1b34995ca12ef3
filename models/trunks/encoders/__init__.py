"""Encoders of the `scratch` trunk, and which one each kind of feature uses."""
