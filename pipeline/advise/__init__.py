"""Advice: which trunk and task groups to try, in minutes. A screening, not a verdict."""
