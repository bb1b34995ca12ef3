"""Advice: what to try, in minutes instead of hours. A screen, never the verdict."""
