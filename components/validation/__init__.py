"""Validation: whether examples fit the schema and the tasks."""
