"""Numerical building blocks that several balancing methods share."""
