"""Stages of studies and of advice: they train models and keep only figures."""
