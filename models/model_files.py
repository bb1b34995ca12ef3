"""Names of the files in the directory of a trained model."""

from __future__ import annotations

RECORD = "model.json"
"""A `models.multitask.record.ModelRecord`."""
WEIGHTS = "weights.npz"
"""The weights in the order of the model, each named `<index>:<path>`."""
SOURCE = "trunk_source"
"""A directory: what the trunk kept of its pretrained files, if it needs any."""
