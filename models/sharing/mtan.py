"""Multi-task attention network (Liu et al. 2019, CVPR, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from models.lazy import Tensor, keras
from models.sharing.base import MakeTrunk, Shared, Sharing


@dataclass(frozen=True, kw_only=True)
class MTAN(Sharing):
    """One trunk; each task has an attention module per stage, which reads the stage's output and
    the task's previous module.

    For image trunks; with column inputs, the masks are over features. Costs two small convolutions
    per task and stage, and memory for their feature maps. Difference from the paper: a mask
    (equation 2) is computed from a stage's output, not from its first convolution.
    """

    one_trunk: ClassVar[bool] = False
    name: Literal["mtan"] = "mtan"

    def build(self, make_trunk: MakeTrunk, tasks: tuple[str, ...]) -> Shared:
        from models.trunks.stages import Walk

        trunk = make_trunk()
        walk = Walk(trunk, trunk.input)
        outputs = {stage.name: walk.step() for stage in walk.stages}
        for stage, x in outputs.items():
            if len(x.shape) not in (2, 4):
                raise ValueError(
                    f"sharing mtan: stage {stage!r} of the trunk has output shape {x.shape}."
                    " Expected feature maps [batch, height, width, channels] or features [batch,"
                    " width]. Choose another sharing for this trunk."
                )
        inputs = [keras.Input(x.shape[1:]) for x in outputs.values()]
        branches = {task: _attention_modules(inputs, task) for task in tasks}
        whole = keras.Model(trunk.input, list(outputs.values()), name="trunk")
        return Shared(whole, keras.Model(inputs, branches))


def _attention_modules(stages: Sequence[Tensor], task: str) -> Tensor:
    """The task's attention modules, one per stage output: the output of the last one."""
    layers, previous = keras.layers, None
    for i, stage in enumerate(stages):
        name = f"{task}_attention{i}"
        x = stage
        if previous is not None:
            previous = _resized(previous, stage, name)
            x = layers.Concatenate(name=f"{name}_read")([stage, previous])
        channels = stage.shape[-1]
        mask = layers.Dense(channels, use_bias=False, name=f"{name}_first")(x)
        mask = layers.BatchNormalization(momentum=0.9, name=f"{name}_first_scale")(mask)
        mask = layers.Dense(channels, use_bias=False, name=f"{name}_second")(layers.ReLU()(mask))
        mask = layers.BatchNormalization(momentum=0.9, name=f"{name}_second_scale")(mask)
        previous = keras.ops.sigmoid(mask) * stage
    return previous


def _resized(previous: Tensor, stage: Tensor, name: str) -> Tensor:
    """The previous module's output, in the size and with the channels of this stage."""
    layers, channels = keras.layers, stage.shape[-1]
    if len(stage.shape) < len(previous.shape):
        previous = keras.ops.mean(previous, axis=(1, 2))
    scale = layers.BatchNormalization(momentum=0.9, name=f"{name}_hand_scale")
    if len(stage.shape) == 2:
        hand = layers.Dense(channels, use_bias=False, name=f"{name}_hand")
        return layers.ReLU()(scale(hand(previous)))
    height, width = stage.shape[1:3]
    strides = (max(previous.shape[1] // height, 1), max(previous.shape[2] // width, 1))
    hand = layers.Conv2D(channels, 3, strides, padding="same", use_bias=False, name=f"{name}_hand")
    resized = layers.ReLU()(scale(hand(previous)))
    return resized[:, :height, :width]  # halving an odd side can leave one position more
