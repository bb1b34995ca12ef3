"""Calibration: from raw outputs of a task to probabilities that are as often right as they say."""
