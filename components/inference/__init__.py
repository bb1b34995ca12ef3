"""Predictions of a served model for all rows of some sources."""
