"""Trainable variables of a trunk, by depth."""

from __future__ import annotations

from models.lazy import keras
from models.trunks.base import layer_groups


def variables_by_depth(trunk: keras.Model) -> list[list[keras.Variable]]:
    """The trainable variables of each group of layers (`models.trunks.base.layer_groups`), from
    input to output, without groups that have none.
    """
    groups = layer_groups(trunk).values()
    variables = ([v for layer in layers for v in layer.trainable_variables] for layers in groups)
    return [group for group in variables if group]
