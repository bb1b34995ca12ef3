"""Several trunks side by side, each of which reads inputs of its own. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from models.inputs.base import Feature
from models.inputs.representation import REPRESENTATION
from models.lazy import Tensor, keras
from models.trunks.flips import mean_over_flips
from models.trunks.layers.members import SplitMembers, join_members, members_of


class JoinedTrunks(keras.Model):  # type: ignore[misc]
    """From {feature name: [batch, ...]} to the outputs of all parts, one after another, [batch,
    width].

    Each part's output is layer-normalised without learned weights (Ba et al. 2016,
    arXiv:1607.06450): every part then has mean 0 and variance 1 in every row, whatever the scale of
    its pretrained numbers.

    parts: functional models by name, whose own names begin with `models.trunks.base.PART`.
    fixed: those whose output may be computed in advance.
    members: the part whose members stay in the batch dimension, [batch * members, width]; those of
        others lie side by side. Empty for none.
    """

    def __init__(
        self,
        parts: Mapping[str, keras.Model],
        features: tuple[Feature, ...],
        fixed: tuple[str, ...] = (),
        members: str = "",
    ) -> None:
        inputs = {name: x for part in parts.values() for name, x in part.input.items()}
        count = members_in(parts[members]) if members else 1
        ends, outputs = {}, {}
        for name, part in parts.items():
            ends[name] = _End(1 if name == members else members_in(part), f"end_{part.name}")
            outputs[name] = ends[name](part({key: inputs[key] for key in part.input}))
        split = {
            n: SplitMembers(count, name=f"split_{parts[n].name}") for n in parts if n != members
        }
        super().__init__(inputs, _side_by_side(outputs, split), name="trunk")
        self.parts, self._ends, self._split = dict(parts), ends, split
        self.features, self.members = features, count
        self.fixed = tuple(name for name in parts if name in fixed)
        self.widths = {name: int(x.shape[-1]) for name, x in outputs.items()}

    def represent(self, features: Mapping[str, Tensor], training: bool) -> Tensor:
        """The output. A part without weights that train runs in inference mode.

        features: may hold what `fixed_output` returned, under the name `REPRESENTATION`. Then the
            features of the fixed parts are not read.
        """
        ends: dict[str, Tensor] = {}
        if (stored := features.get(REPRESENTATION)) is not None:
            start = 0
            for name in self.fixed:
                ends[name] = stored[:, start : start + self.widths[name]]
                start += self.widths[name]
        for name in self.parts:
            if name not in ends:
                ends[name] = self._end(name, features, training)
        return _side_by_side({name: ends[name] for name in self.parts}, self._split)

    def fixed_output(self, features: Mapping[str, Tensor]) -> Tensor:
        """What the fixed parts compute, one after another, [batch, width]."""
        return keras.ops.concatenate(
            [self._end(name, features, training=False) for name in self.fixed], axis=-1
        )

    def _end(self, name: str, features: Mapping[str, Tensor], training: bool) -> Tensor:
        part = self.parts[name]
        trains = training and bool(part.trainable_variables)
        own = {key: features[key] for key in part.input}
        read = () if trains else tuple(f for f in self.features if f.name in own)
        return self._ends[name](mean_over_flips(partial(part, training=trains), read, own))


class _End(keras.layers.Layer):  # type: ignore[misc]
    """From a part's output [batch * members, width] to [batch, members * width], normalised."""

    def __init__(self, members: int, name: str) -> None:
        super().__init__(name=name)
        self.members = members
        self.normalise = keras.layers.LayerNormalization(
            epsilon=1e-6, center=False, scale=False, name=f"{name}.normalise"
        )

    def call(self, x: Tensor) -> Tensor:
        return self.normalise(join_members(x, self.members) if self.members > 1 else x)


def _side_by_side(ends: Mapping[str, Tensor], split: Mapping[str, keras.Layer]) -> Tensor:
    parts = [split[name](x) if name in split else x for name, x in ends.items()]
    return keras.ops.concatenate([keras.ops.cast(x, parts[-1].dtype) for x in parts], axis=-1)


def members_in(trunk: keras.Model) -> int:
    """Number of members in the output of a trunk, [batch * members, width]; 1 if it has none."""
    return trunk.members if isinstance(trunk, JoinedTrunks) else members_of(trunk)


def parts_of(trunk: keras.Model) -> dict[str, keras.Model]:
    """The trunks that a trunk consists of, by name; itself, without a name, if it is one."""
    return dict(trunk.parts) if isinstance(trunk, JoinedTrunks) else {"": trunk}


def representation_of(
    trunk: keras.Model, features: tuple[Feature, ...], tensors: Mapping[str, Tensor], training: bool
) -> Tensor:
    """The output of a trunk: unless it trains, the mean over flips of images whose feature says so.

    tensors: [batch, ...] by feature; others are ignored.
    """
    if isinstance(trunk, JoinedTrunks):
        return trunk.represent(tensors, training)
    own = {name: tensors[name] for name in trunk.input}
    return mean_over_flips(partial(trunk, training=training), () if training else features, own)
