"""Bilevel."""
