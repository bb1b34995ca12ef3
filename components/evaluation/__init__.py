"""Evaluation: metrics, their confidence intervals, and thresholds."""
