"""Members of an implicit ensemble: predictors that share most weights and train separately (TabM:
Gorishniy et al. 2024, arXiv:2410.24210, section 3).

Members lie in the batch dimension: features [batch, width] become [batch * members, width], the
members of a row one after another. So every sharing scheme and balancing method works on members
as it does on rows.
"""

from __future__ import annotations

from models.lazy import Tensor, keras


class SplitMembers(keras.layers.Layer):  # type: ignore[misc]
    """Repeats every row once per member: from [batch, width] to [batch * members, width]."""

    def __init__(self, members: int, **kwargs) -> None:  # type: ignore[no-untyped-def]
        super().__init__(**kwargs)
        self.members = members

    def call(self, x: Tensor) -> Tensor:
        return keras.ops.repeat(x, self.members, axis=0)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (None, *shape[1:])


class MemberScale(keras.layers.Layer):  # type: ignore[misc]
    """Multiplies features [batch * members, width] by the factors of their member and, with `bias`,
    adds its biases.

    signs: whether factors start as random signs, which makes the members differ; else as ones.
    """

    def __init__(self, members: int, bias: bool = False, signs: bool = False, **kwargs) -> None:  # type: ignore[no-untyped-def]
        super().__init__(**kwargs)
        self.members, self.use_bias, self.signs = members, bias, signs

    def build(self, shape: tuple[int | None, ...]) -> None:
        own = (self.members, shape[-1])
        start = _random_signs if self.signs else "ones"
        self.factors = self.add_weight(name="factors", shape=own, initializer=start)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=own, initializer="zeros")

    def call(self, x: Tensor) -> Tensor:
        width = x.shape[-1]
        x = keras.ops.reshape(x, (-1, self.members, width)) * self.factors
        return keras.ops.reshape(x if self.bias is None else x + self.bias, (-1, width))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return shape


def member_dense(x: Tensor, width: int, members: int, name: str, signs: bool = False) -> Tensor:
    """A dense layer with ReLU, [rows, width], whose kernel the members share. Each has its own
    factors of inputs and outputs, and its own biases. One member gives a plain dense layer.

    name: of the layer group.
    """
    layers = keras.layers
    if members == 1:
        return layers.Dense(width, activation="relu", name=f"{name}.dense")(x)
    x = MemberScale(members, signs=signs, name=f"{name}.inputs")(x)
    x = layers.Dense(width, use_bias=False, name=f"{name}.dense")(x)
    x = MemberScale(members, bias=True, name=f"{name}.outputs")(x)
    return layers.ReLU(name=f"{name}.relu")(x)


def members_of(trunk: keras.Model) -> int:
    """Number of members in the output of a trunk, [batch * members, width]; 1 if it has none."""
    layers = (la for la in trunk._flatten_layers() if isinstance(la, SplitMembers))
    return next((la.members for la in layers), 1)


def join_members(x: Tensor, members: int) -> Tensor:
    """One row per example: from [batch * members, width] to [batch, members * width]."""
    return keras.ops.reshape(x, (-1, members * x.shape[-1]))


def mean_of_members(x: Tensor, members: int) -> Tensor:
    """From [batch * members, units] to [batch, units]."""
    if members == 1:
        return x
    return keras.ops.mean(keras.ops.reshape(x, (-1, members, x.shape[-1])), axis=1)


def _random_signs(shape: tuple[int, ...], dtype: str | None = None) -> Tensor:
    uniform = keras.initializers.RandomUniform(-1.0, 1.0)(shape, dtype)
    return keras.ops.where(uniform < 0, -1.0, 1.0)
