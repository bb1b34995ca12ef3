"""Helpers for sources of pretrained trunks: input checks, layer groups, pixels, pooling."""

from __future__ import annotations

import re
from typing import TypeVar

from models.inputs.base import Feature
from models.lazy import Tensor, keras
from models.trunks.base import TrunkError

F = TypeVar("F")

_STAGES = (
    r"^conv(\d+)_block",
    r"conv_[dp]w_(\d+)",
    r"expanded_conv_(\d+)",
    r"(?:layer|block|stage|stack|group|mixed|unit)s?_?(\d+)",
)
"""How architectures number their stages. The first pattern that matches a name counts."""


def stage_of(name: str) -> int | None:
    """The number of the stage or block in the name of a layer or variable; None if it has none."""
    for pattern in _STAGES:
        if match := re.search(pattern, name):
            return int(match[1])
    return None


def name_groups(model: keras.Model, stem: str) -> None:
    """Rename the layers of a functional model to `<group>.<name>`: `stem`, then a group per stage.

    A layer without a number belongs to the stage before it. If one layer contains the whole encoder
    (as in ViT), its inner layers are renamed.
    """
    group = stem
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue  # its name depends on how many the process has created
        for part in _parts(layer):
            number = stage_of(part.name)
            group = group if number is None else f"stage{number}"
            part.name = f"{group}.{part.name}"


def _parts(layer: keras.Layer) -> list[keras.Layer]:
    """The inner layers of a layer that contains numbered ones but has no number; else itself."""
    parts = list(layer._flatten_layers(include_self=False, recursive=False))
    numbers = {stage_of(part.name) for part in parts} - {None}
    return parts if stage_of(layer.name) is None and len(numbers) > 1 else [layer]


def only(kind: type[F], features: tuple[Feature, ...], trunk: str) -> tuple[F, ...]:
    """The features, which must all be of one kind.

    Raises:
        TrunkError: one is of another kind.
    """
    for f in features:
        if not isinstance(f, kind):
            raise TrunkError(
                f"{trunk}: input {f.name!r}: expected {kind.__name__}. Received:"
                f" {type(f).__name__}. A pretrained trunk reads inputs of one kind only."
            )
    return features  # type: ignore[return-value]


def pixels(image: Tensor, side: tuple[int, int] | None, channels: int = 3) -> Tensor:
    """uint8 images as float32 [batch, *side, channels] from 0 to 255; grey images are repeated.

    side: height and width to resize to; None keeps the size.
    """
    x = keras.ops.cast(image, "float32")
    if side is not None and side != tuple(image.shape[1:3]):
        # Not Keras's Resizing layer: it puts all layers after it in training mode.
        x = keras.ops.image.resize(x, side, antialias=True)
    return x if x.shape[-1] == channels else keras.ops.repeat(x, channels, axis=-1)


def pooled(x: Tensor, how: str, present: Tensor | None = None) -> Tensor:
    """Pools [batch, ..., width] to [batch, width]: the `first` or `last` position, or the mean over
    all.

    present: int32 [batch, positions], 1 for the positions that count, 0 after them; None for all.
        Without any, the result is 0.
    """
    if len(x.shape) == 2:
        return x
    if how == "first":
        return x[:, 0]
    if how == "last" and present is not None:
        count = keras.ops.sum(present, axis=1)[:, None]
        last = keras.ops.maximum(count - 1, 0)[..., None]
        x = keras.ops.take_along_axis(x, last, axis=1)[:, 0]
        return x * keras.ops.cast(keras.ops.greater(count, 0), x.dtype)
    if present is None:
        return keras.ops.mean(x, axis=tuple(range(1, len(x.shape) - 1)))
    weights = keras.ops.expand_dims(keras.ops.cast(present, x.dtype), -1)
    return keras.ops.sum(x * weights, axis=1) / keras.ops.maximum(keras.ops.sum(weights, axis=1), 1)


def joined(encoded: list[Tensor]) -> Tensor:
    """The representations of all inputs, concatenated."""
    return encoded[0] if len(encoded) == 1 else keras.layers.Concatenate(name="join")(encoded)
