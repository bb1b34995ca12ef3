"""Multitask."""
