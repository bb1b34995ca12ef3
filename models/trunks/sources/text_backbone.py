"""Makes a trunk of a KerasHub backbone that reads text: windows, masks, pooling, stored weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from models.inputs.tokens import TokensFeature
from models.layer_names import scope_of
from models.lazy import Tensor, keras
from models.trunks.base import TrunkError, keras_input
from models.trunks.pretrained import joined, name_groups, pooled

TOKEN_INPUTS = ("token_ids", "padding_mask", "segment_ids")
"""Ends of the names of what a text backbone reads."""
PADDING_COUNTS = ("FNetBackbone", "XLNetBackbone")
"""Text backbones of KerasHub 0.32 whose output at a token depends on the padding after it."""
StoredDtype = Literal["float32", "bfloat16"]


def check_learning(frozen: bool, pooling: str | None, dtype: StoredDtype) -> str:
    """Why a trunk cannot be used frozen, or cannot be trained; empty if it can be."""
    if frozen and pooling == "attention":
        return (
            "trunk.pooling: attention has weights that have to be learned, but `transfer: frozen`"
            " trains none of the trunk. Choose `last` or `mean`, or another transfer mode."
        )
    if not frozen and dtype == "bfloat16":
        return (
            "trunk.dtype: bfloat16 is for `transfer: frozen`, because small updates of weights are"
            " lost in it. Choose float32, or freeze the trunk."
        )
    return ""


def stored_as(dtype: StoredDtype) -> dict[str, Any]:
    """Arguments of a backbone that stores weights in this dtype and computes in float32."""
    if dtype == "float32":
        return {}  # the policy of the process, which may be mixed precision
    policy = keras.dtype_policies.DTypePolicy("float32")
    policy._variable_dtype = dtype  # layers cast variables to the policy's `compute_dtype`
    return {"dtype": policy}


def text_model(
    backbone: keras.Model,
    features: tuple[TokensFeature, ...],
    what: str,
    pooling: str | None,
    window_pooling: str,
    normalize: bool = False,
) -> keras.Model:
    """The trunk, as `Trunk.build` states.

    what: the backbone, for messages. pooling: None for `last` in decoders, else `mean`. normalize:
        to vectors of length 1, each text on its own.

    Raises:
        TrunkError: the backbone does not read just text, or does not fit the features or pooling.
    """
    from models.trunks.layers.attention_pooling import AttentionPooling
    from models.trunks.layers.late_casts import cast_late
    from models.trunks.layers.token_outputs import TokenOutputs
    from models.trunks.layers.trim_padding import Trim
    from models.trunks.layers.windows import PutBack, TakeWindows, pooled_windows

    encoder = _encoder(backbone, what, pooling)
    tied = not _drop_output_embeddings(encoder)
    trims = type(backbone).__name__ not in PADDING_COUNTS
    looks_back = pooling in (None, "first") and looks_only_back(
        lambda ids: encoder(
            {k: _token_input(k, ids, keras.ops.ones_like(ids)) for k in encoder.input},
            training=False,
        )
    )
    if pooling == "first" and looks_back:
        raise TrunkError(
            f"{what} is a decoder: the output of its first token depends on no later token, so it"
            " says nothing of the text. Expected `pooling: last`, `mean` or `attention`. Received:"
            " first."
        )
    pooling = pooling or ("last" if looks_back else "mean")
    name_groups(encoder, "embeddings")
    cast_late(encoder)
    attention = AttentionPooling(name="pooling.attention") if pooling == "attention" else None
    config = backbone.get_config()
    inputs, encoded = {}, []
    for feature in features:
        _check_tokens(feature, config, what)
        inputs[feature.name] = ids = keras_input(feature)
        name, whole, positions = scope_of(feature.name), ids, None
        if feature.windows > 1:
            ids, positions = TakeWindows(feature.pad, f"windows_{name}")(ids)
        if trims:
            ids = Trim(feature.pad, f"trim_{name}")(ids)
        present = _present(ids, feature)
        values = {k: _token_input(k, ids, present) for k in encoder.input}
        outputs = encoder.call(values)
        if len(outputs.shape) == 3:
            outputs = TokenOutputs(tied, f"tokens_{name}")(outputs, ids)
        x = attention(outputs, present) if attention else pooled(outputs, pooling, present)
        if positions is not None:
            count = keras.ops.sum(present, axis=1, keepdims=True)
            tokens = PutBack(name=f"count_{name}")(count, positions, whole)[..., 0]
            x = PutBack(name=f"texts_{name}")(x, positions, whole)
            x = pooled_windows(x, tokens, window_pooling)
        if normalize:
            x = keras.layers.UnitNormalization(name=f"normalize_{name}")(x)
        encoded.append(x)
    return keras.Model(inputs, joined(encoded), name="trunk")


def _encoder(backbone: keras.Model, what: str, pooling: str | None) -> keras.Model:
    """From int32 [batch, length] by name to [batch, length, width], or [batch, width] if pooled."""
    outputs = backbone.output if isinstance(backbone.output, dict) else {"": backbone.output}
    # By preference; "" is the only output of a model.
    names = ["sequence_output", "encoder_sequence_output", ""]
    names = ["pooled_output"] if pooling == "pooled" else names
    output = next((outputs[name] for name in names if name in outputs), None)
    if output is None:
        named = ", ".join(filter(None, outputs)) or "a single one, without a name"
        raise TrunkError(
            f"{what}: no output for pooling {pooling!r}. Its outputs: {named}. Expected a model"
            " with a pooling layer, such as BERT; choose another `pooling`, such as mean."
        )
    inputs = {k: v for k, v in backbone.input.items() if "decoder" not in k}
    if others := [k for k in inputs if not k.endswith(TOKEN_INPUTS)]:
        raise TrunkError(
            f"{what} also reads {', '.join(others)}. Expected a backbone that reads only text or"
            " only images."
        )
    return keras.Model(inputs, output)


def _drop_output_embeddings(encoder: keras.Model) -> bool:
    """Remove the weights that predict the next token, where they are not those of the embedding.
    Returns whether there were any.
    """
    dropped = False
    for layer in encoder._flatten_layers():
        if isinstance(layer, keras.layers.ReversibleEmbedding) and not layer.tie_weights:
            layer._untrack_variable(layer.reverse_embeddings)
            super(keras.Layer, layer).__delattr__("reverse_embeddings")
            layer.tie_weights = dropped = True
    return dropped


def _check_tokens(feature: TokensFeature, config: dict[str, Any], what: str) -> None:
    for key, needed, hint in (
        ("max_sequence_length", feature.length, "lower the trunk's `length`."),
        ("vocabulary_size", feature.vocabulary_size, "its tokenizer belongs to another model."),
    ):
        limit = config.get(key)
        if isinstance(limit, int) and limit < needed:
            raise TrunkError(
                f"{what}: its {key} is {limit}, but input {feature.name!r} needs {needed}: {hint}"
            )


def _present(ids: Tensor, feature: TokensFeature) -> Tensor:
    """Mask int32 [batch, length]: 1 up to the last token that is not padding, else 0.

    A token inside the text may have the padding id: in GPT-2, id 0 is "!".
    """
    ops = keras.ops
    not_padding = ops.cast(ops.not_equal(ids, feature.pad), "int32")
    remaining = ops.flip(ops.cumsum(ops.flip(not_padding, axis=1), axis=1), axis=1)
    return ops.cast(ops.greater(remaining, 0), "int32")


def looks_only_back(outputs: Callable[[Tensor], Tensor], padding: int = 0, pad: int = 0) -> bool:
    """Whether the output at the first token is the same for texts that differ after it.

    outputs: from int32 [batch, 4 + padding] to [batch, 4 + padding, width].
    """
    texts = np.pad([[1, 2, 2, 2], [1, 3, 3, 3]], ((0, 0), (0, padding)), constant_values=pad)
    computed = outputs(keras.ops.convert_to_tensor(texts, "int32"))
    first, other = keras.ops.convert_to_numpy(computed)[:, 0]
    return bool(np.allclose(first, other, rtol=1e-4, atol=1e-6))


def _token_input(name: str, ids: Tensor, present: Tensor) -> Tensor:
    """The value of the backbone input of this name."""
    if name.endswith("token_ids"):
        return ids
    if name.endswith("padding_mask"):
        return present
    return keras.ops.zeros_like(ids)  # segment ids: a text is one segment
