"""Columns for the user's own layers in the stages."""

from __future__ import annotations

from components.inputs.base import InputKind
from models.inputs.layer import LayerInput


class LayerKind(InputKind[LayerInput]):
    """Numbers or strings, whichever the layer reads. The classical baseline does without it."""

    word_pattern = r"(?u)\b\w+\b"
