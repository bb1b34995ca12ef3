"""What sources of pretrained trunks share: one kind of input, layer groups, pooling."""

from __future__ import annotations

import re
from typing import TypeVar

from models.inputs.base import Feature, Input
from models.inputs.image import ImageInput
from models.lazy import keras
from models.trunks.base import TrunkError

F = TypeVar("F")

_STAGES = (
    r"^conv(\d+)_block",
    r"conv_[dp]w_(\d+)",
    r"expanded_conv_(\d+)",
    r"(?:layer|block|stage|stack|group|mixed|unit)s?_?(\d+)",
)
"""How architectures number their stages, the first pattern that fits a name first."""


def stage_of(name: str) -> int | None:
    """The number of the stage or block that a layer's or variable's name tells, if it tells one."""
    for pattern in _STAGES:
        if found := re.search(pattern, name):
            return int(found[1])
    return None


def name_groups(model: keras.Model, stem: str) -> None:
    """Rename the layers of a functional model `<group>.<name>`: `stem`, then a group per stage.

    A layer without a number belongs to the stage before it. Of a layer that holds the whole encoder
    (that of ViT) its own layers are renamed.
    """
    group = stem
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue  # numbered by how many there were in the process
        for part in _parts(layer):
            number = stage_of(part.name)
            group = group if number is None else f"stage{number}"
            part.name = f"{group}.{part.name}"


def _parts(layer: keras.Layer) -> list[keras.Layer]:
    """The numbered layers inside a layer without a number, with what lies between; or itself."""
    parts = list(layer._flatten_layers(include_self=False, recursive=False))
    numbers = {stage_of(part.name) for part in parts} - {None}
    return parts if stage_of(layer.name) is None and len(numbers) > 1 else [layer]


def only(kind: type[F], features: tuple[Feature, ...], trunk: str) -> tuple[F, ...]:
    """The features, all of one kind.

    Raises:
        TrunkError: one is of another kind.
    """
    for f in features:
        if not isinstance(f, kind):
            raise TrunkError(
                f"{trunk}: input {f.name!r}: expected {kind.__name__}. Received:"
                f" {type(f).__name__}. A pretrained trunk reads inputs of its own kind alone."
            )
    return features  # type: ignore[return-value]


def check_images(inputs: tuple[Input, ...], trunk: str) -> list[str]:
    """A sentence for each input that is no image."""
    return [
        f"{trunk} reads images, but inputs.{i.name} is {i.kind}."
        for i in inputs
        if not isinstance(i, ImageInput)
    ]


def pixels(
    image: keras.KerasTensor, side: tuple[int, int] | None, channels: int = 3
) -> keras.KerasTensor:
    """float32 [batch, *side, channels], 0 to 255, of uint8 images; grey ones repeated.

    side: height and width to resize to; their own when None.
    """
    x = keras.ops.cast(image, "float32")
    if side is not None and side != tuple(image.shape[1:3]):
        # The operation: Keras's Resizing layer puts every layer after it in training mode.
        x = keras.ops.image.resize(x, side, antialias=True)
    return x if x.shape[-1] == channels else keras.ops.repeat(x, channels, axis=-1)


def pooled(
    x: keras.KerasTensor, how: str, present: keras.KerasTensor | None = None
) -> keras.KerasTensor:
    """[batch, width] of [batch, ..., width]: the mean over all positions (those `present`, float
    [batch, positions], where given), or the first one.
    """
    if len(x.shape) == 2:
        return x
    if how == "first":
        return x[:, 0]
    if present is None:
        return keras.ops.mean(x, axis=tuple(range(1, len(x.shape) - 1)))
    weights = keras.ops.expand_dims(keras.ops.cast(present, x.dtype), -1)
    return keras.ops.sum(x * weights, axis=1) / keras.ops.maximum(keras.ops.sum(weights, axis=1), 1)


def joined(encoded: list[keras.KerasTensor]) -> keras.KerasTensor:
    """One representation of all inputs."""
    if len(encoded) == 1:
        return encoded[0]
    return keras.layers.Concatenate(name="join")(encoded)
