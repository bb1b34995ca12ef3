"""Names of the files in the directory of a trained model."""

from __future__ import annotations

RECORD = "model.json"
"""A `models.multitask.record.ModelRecord`."""
WEIGHTS = "weights.npz"
"""The weights in the order of the model, each named `<index>:<path>`."""
EXPERTS = "experts.npz"
"""The numbers of the experts, each named `<expert>/<array>`; absent if the model has none."""
SOURCE = "trunk_source"
"""A directory: what the trunk kept of its pretrained files, if it needs any."""
