"""Numbered versions of pushed models, in a directory or an object store: push, label, roll back."""
