"""Optimizers for transfer and for fast updates."""
