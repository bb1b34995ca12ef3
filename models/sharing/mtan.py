"""Multi-task attention network (Liu et al. 2019, CVPR, section 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from models.config import STRICT
from models.lazy import keras
from models.sharing.base import Shared, Sharing


@dataclass(frozen=True, kw_only=True)
class MTAN(Sharing):
    """One trunk; each task attends to what every stage gives, and hands it on to the next.

    A mask (equation 2) is read from, and applied to, what a stage gives at its end; the paper reads
    it from the stage's first convolution. For trunks of images; columns have masks over features.
    Costs two small convolutions for every task and stage, with feature maps kept for all.
    """

    __pydantic_config__ = STRICT
    one_trunk: ClassVar[bool] = False
    name: Literal["mtan"] = "mtan"

    def build(self, make_trunk: Callable[[], keras.Model], tasks: tuple[str, ...]) -> Shared:
        from models.trunks.stages import Walk

        trunk = make_trunk()
        walk = Walk(trunk, trunk.input)
        given = {stage.name: walk.step() for stage in walk.stages}
        for stage, x in given.items():
            if len(x.shape) not in (2, 4):
                raise ValueError(
                    f"sharing mtan: stage {stage!r} of the trunk gives {x.shape}. Expected feature"
                    " maps [batch, height, width, channels] or features [batch, width]: choose"
                    " another sharing for this trunk."
                )
        parts = [keras.Input(x.shape[1:]) for x in given.values()]
        branches = {task: _attended(parts, task) for task in tasks}
        whole = keras.Model(trunk.input, list(given.values()), name="trunk")
        return Shared(whole, keras.Model(parts, branches))


def _attended(parts: Sequence[keras.KerasTensor], task: str) -> keras.KerasTensor:
    """A task's way along the trunk."""
    layers, handed = keras.layers, None
    for i, part in enumerate(parts):
        name = f"{task}_attention{i}"
        read = part
        if handed is not None:
            handed = _fitted(handed, part, name)
            read = layers.Concatenate(name=f"{name}_read")([part, handed])
        channels = part.shape[-1]
        mask = layers.Dense(channels, use_bias=False, name=f"{name}_first")(read)
        mask = layers.BatchNormalization(momentum=0.9, name=f"{name}_scale")(mask)
        mask = layers.Dense(channels, name=f"{name}_second")(layers.ReLU()(mask))
        handed = keras.ops.sigmoid(mask) * part
    return handed


def _fitted(handed: keras.KerasTensor, part: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """What the stage before handed on, with the size and channels of this one."""
    layers, channels = keras.layers, part.shape[-1]
    if len(part.shape) < len(handed.shape):
        handed = keras.ops.mean(handed, axis=(1, 2))
    if len(part.shape) == 2:
        return layers.Dense(channels, activation="relu", name=f"{name}_hand")(handed)
    height, width = part.shape[1:3]
    strides = (max(handed.shape[1] // height, 1), max(handed.shape[2] // width, 1))
    handed = layers.Conv2D(
        channels, 3, strides, padding="same", activation="relu", name=f"{name}_hand"
    )(handed)
    return handed[:, :height, :width]  # an odd side, halved, may be one longer
