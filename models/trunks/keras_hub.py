"""A pretrained backbone of KerasHub, for text or for images."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from models.inputs.base import Feature, Input
from models.inputs.encodings import Reading, Tokens
from models.inputs.image import ImageFeature, ImageInput
from models.inputs.sources.presets import CONFIG, local_preset
from models.inputs.text import TextInput
from models.inputs.tokens import TokensFeature
from models.layer_names import scope_of
from models.lazy import Tensor, keras, load
from models.trunks.base import Trunk, TrunkError, keras_input
from models.trunks.pretrained import joined, name_groups, only, pixels, pooled
from models.trunks.sources.presets import check_preset, fetched_preset, is_text

CONVERTER = "image_converter.json"
TOKEN_INPUTS = ("token_ids", "padding_mask", "segment_ids")
"""Ends of the names of what a text backbone reads."""
PADDING_COUNTS = ("FNetBackbone", "XLNetBackbone")
"""Text backbones of KerasHub 0.32 whose output at a token depends on the padding after it."""


@dataclass(frozen=True, kw_only=True)
class KerasHub(Trunk):
    """A preset, by name (`bert_tiny_en_uncased`, `hf://user/model`, …) or directory; also that of a
    Hugging Face model. The preset's own tokenizer is part of the served model.

    length: tokens per window, with the special ones. The `length` of an input counts words and has
        no effect here.
    windows: longer texts are read in up to this many windows of `length` tokens, and what remains
        is cut. Only the windows that a text needs are computed. 1 to read the beginning only.
    window_pooling: how the outputs of the windows become one vector: their `mean`, in which a
        window counts as much as it has tokens, or their `max`.
    pooling: how the outputs of the last layer become one vector. `mean`: the mean over all tokens
        or patches, as sentence encoders do. `first`: the output of the first token, which only
        encoders have made of the whole text. `last`: that of the last token, for decoders such as
        GPT-2. `pooled`: the layer that BERT trained on top of the first token.
    side: height and width to resize images to; by default the preset's own.
    pretrained: false for the same architecture with random weights.
    """

    name: Literal["keras_hub"] = "keras_hub"
    preset: str = field(metadata={"fingerprint": False, "path": True})
    length: Annotated[int, Field(ge=3)] = 128
    windows: Annotated[int, Field(ge=1)] = 4
    window_pooling: Literal["mean", "max"] = "mean"
    pooling: Literal["mean", "first", "last", "pooled"] = "mean"
    side: Annotated[int, Field(ge=1)] | None = None
    pretrained: bool = True

    def reading(self) -> Reading:
        return Tokens(preset=self.preset, length=self.length, windows=self.windows)

    def files(self) -> tuple[str, ...]:
        return (str(fetched_preset(self.preset)),)

    def is_here(self) -> bool:
        return local_preset(self.preset) is not None

    def check(self, inputs: tuple[Input, ...]) -> list[str]:
        wrong, here = check_preset(self.preset), local_preset(self.preset)
        if wrong or here is None:
            return wrong
        kind, reads = (TextInput, "text") if is_text(here) else (ImageInput, "images")
        others = [i for i in inputs if not isinstance(i, kind)]
        what = f"preset {self.preset!r} reads {reads}, but inputs"
        return [f"{what}.{i.name} is {i.kind}." for i in others]

    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        backbone = self._backbone()
        if isinstance(backbone.input, dict) and any("token_ids" in k for k in backbone.input):
            return self._text_model(backbone, only(TokensFeature, features, self._what(backbone)))
        if not isinstance(backbone.input, dict | list) and len(backbone.input.shape) == 4:
            return self._image_model(backbone, only(ImageFeature, features, self._what(backbone)))
        raise TrunkError(
            f"{self._what(backbone)} reads {backbone.input}. Expected a backbone that reads only"
            " text or only images."
        )

    def save_files(self, directory: Path) -> None:
        backbone = replace(self, pretrained=False)._backbone()
        (directory / CONFIG).write_text(json.dumps(keras.saving.serialize_keras_object(backbone)))
        if not isinstance(backbone.input, dict):
            converter = keras.saving.serialize_keras_object(self._converter(backbone))
            (directory / CONVERTER).write_text(json.dumps(converter))

    def with_saved_files(self, directory: Path) -> KerasHub:
        return replace(self, preset=str(directory), pretrained=False)

    def _what(self, backbone: keras.Model) -> str:
        return f"preset {self.preset!r} ({type(backbone).__name__})"

    def _backbone(self) -> keras.Model:
        hub = load("keras_hub")
        try:
            return hub.models.Backbone.from_preset(self.preset, load_weights=self.pretrained)
        except Exception as e:  # Keras, KerasHub and safetensors raise many types
            raise TrunkError(f"preset {self.preset!r} cannot be loaded: {e}") from e

    def _text_model(
        self, backbone: keras.Model, features: tuple[TokensFeature, ...]
    ) -> keras.Model:
        from models.trunks.layers.trim_padding import Trim
        from models.trunks.layers.windows import PutBack, TakeWindows, pooled_windows

        outputs = backbone.output if isinstance(backbone.output, dict) else {"": backbone.output}
        # By preference; "" is the only output of a model.
        names = ["sequence_output", "encoder_sequence_output", ""]
        names = ["pooled_output"] if self.pooling == "pooled" else names
        output = next((outputs[name] for name in names if name in outputs), None)
        if output is None:
            named = ", ".join(filter(None, outputs)) or "a single one, without a name"
            raise TrunkError(
                f"{self._what(backbone)}: no output for pooling {self.pooling!r}. Its outputs:"
                f" {named}. Expected a model with a pooling layer, such as BERT; choose another"
                " `pooling`, such as mean."
            )
        encoder_inputs = {k: v for k, v in backbone.input.items() if "decoder" not in k}
        if others := [k for k in encoder_inputs if not k.endswith(TOKEN_INPUTS)]:
            raise TrunkError(
                f"{self._what(backbone)} also reads {', '.join(others)}. Expected a backbone that"
                " reads only text or only images."
            )
        trims = type(backbone).__name__ not in PADDING_COUNTS
        encoder = keras.Model(encoder_inputs, output)
        if self.pooling == "first" and _looks_only_back(encoder):
            raise TrunkError(
                f"{self._what(backbone)} is a decoder: the output of its first token depends on no"
                " later token. Expected `pooling: last` or `mean`. Received: first."
            )
        name_groups(encoder, "embeddings")
        config = backbone.get_config()
        inputs, encoded = {}, []
        for feature in features:
            self._check_tokens(feature, config, backbone)
            inputs[feature.name] = ids = keras_input(feature)
            name, whole, positions = scope_of(feature.name), ids, None
            if feature.windows > 1:
                ids, positions = TakeWindows(feature.pad, f"windows_{name}")(ids)
            if trims:
                ids = Trim(feature.pad, f"trim_{name}")(ids)
            present = _present(ids, feature)
            values = {k: _token_input(k, ids, present) for k in encoder_inputs}
            x = pooled(encoder.call(values), self.pooling, present)
            if positions is not None:
                count = keras.ops.sum(present, axis=1, keepdims=True)
                tokens = PutBack(name=f"count_{name}")(count, positions, whole)[..., 0]
                x = PutBack(name=f"texts_{name}")(x, positions, whole)
                x = pooled_windows(x, tokens, self.window_pooling)
            encoded.append(x)
        return keras.Model(inputs, joined(encoded), name="trunk")

    def _check_tokens(
        self, feature: TokensFeature, config: dict[str, object], backbone: keras.Model
    ) -> None:
        for key, needed, hint in (
            ("max_sequence_length", feature.length, "lower the trunk's `length`."),
            ("vocabulary_size", feature.vocabulary_size, "its tokenizer belongs to another model."),
        ):
            limit = config.get(key)
            if isinstance(limit, int) and limit < needed:
                raise TrunkError(
                    f"{self._what(backbone)}: its {key} is {limit}, but input {feature.name!r}"
                    f" needs {needed}: {hint}"
                )

    def _image_model(
        self, backbone: keras.Model, features: tuple[ImageFeature, ...]
    ) -> keras.Model:
        if self.pooling in ("pooled", "last"):
            raise TrunkError(f"{self._what(backbone)}: pooling {self.pooling!r} is for text only.")
        converter = self._converter(backbone)
        fixed = tuple(backbone.input.shape[1:3])
        side = (self.side, self.side) if self.side else converter.image_size
        if None not in fixed:
            if self.side and fixed != side:
                raise TrunkError(
                    f"{self._what(backbone)} only reads images of {fixed[0]}x{fixed[1]}. Received:"
                    f" side {self.side}"
                )
            side = fixed
        encoder = keras.Model(backbone.input, backbone.output)
        name_groups(encoder, "stem")
        scale = 1.0 if converter.scale is None else converter.scale
        rescale = keras.layers.Rescaling(scale, converter.offset or 0.0, name="stem.rescale")
        inputs, channels = {f.name: keras_input(f) for f in features}, encoder.input.shape[-1]
        images = [rescale(pixels(x, side, channels)) for x in inputs.values()]
        encoded = [pooled(encoder.call(x), self.pooling) for x in images]
        return keras.Model(inputs, joined(encoded), name="trunk")

    def _converter(self, backbone: keras.Model) -> keras.layers.Layer:
        """The preset's image preprocessing: size, scale and offset."""
        try:
            return load("keras_hub").layers.ImageConverter.from_preset(self.preset)
        except Exception as e:  # any type, as in `_backbone`
            raise TrunkError(
                f"{self._what(backbone)}: its pixel range is unknown: {e}\n"
                f"Expected a preset saved with its image converter ({CONVERTER})."
            ) from e


def _present(ids: Tensor, feature: TokensFeature) -> Tensor:
    """Mask int32 [batch, length]: 1 up to the last token that is not padding, else 0.

    A token inside the text may have the padding id: in GPT-2, id 0 is "!".
    """
    ops = keras.ops
    not_padding = ops.cast(ops.not_equal(ids, feature.pad), "int32")
    remaining = ops.flip(ops.cumsum(ops.flip(not_padding, axis=1), axis=1), axis=1)
    return ops.cast(ops.greater(remaining, 0), "int32")


def _looks_only_back(encoder: keras.Model) -> bool:
    """Whether the output at the first token is the same for texts that differ after it."""
    texts = keras.ops.array([[1, 2, 2, 2], [1, 3, 3, 3]], "int32")
    values = {k: _token_input(k, texts, keras.ops.ones_like(texts)) for k in encoder.input}
    first, other = keras.ops.convert_to_numpy(encoder(values, training=False))[:, 0]
    return bool(np.allclose(first, other, rtol=1e-4, atol=1e-6))


def _token_input(name: str, ids: Tensor, present: Tensor) -> Tensor:
    """The value of the backbone input of this name."""
    if name.endswith("token_ids"):
        return ids
    if name.endswith("padding_mask"):
        return present
    return keras.ops.zeros_like(ids)  # segment ids: a text is one segment
