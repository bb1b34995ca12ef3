"""A pretrained decoder in a GGUF file, as llama.cpp and Ollama use them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from models.inputs.base import Feature, Input
from models.inputs.encodings import Reading, Tokens
from models.inputs.sources.gguf_file import GgufError, GgufFile, read_gguf
from models.inputs.sources.presets import CONFIG
from models.inputs.text import TextInput
from models.inputs.tokens import TokensFeature
from models.lazy import keras
from models.trunks.base import Trunk, TrunkError
from models.trunks.keras_hub import KerasHub
from models.trunks.pretrained import only
from models.trunks.sources.gguf_backbone import gguf_backbone, num_weights, problems
from models.trunks.sources.memory import more_than_free
from models.trunks.sources.text_backbone import StoredDtype, check_learning, stored_as, text_model


@dataclass(frozen=True, kw_only=True)
class Gguf(Trunk):
    """Architectures llama (also SmolLM2, Mistral, TinyLlama), qwen2, gemma and gpt2. Quantised
    weights become float32 numbers, exactly. The file's own tokenizer is part of the served model.

    file: the GGUF file. length: tokens per window, with the special ones.
    windows: longer texts are read in up to this many windows of `length` tokens, and what remains
        is cut. Only the windows that a text needs are computed. 1 to read the beginning only.
    window_pooling: how the outputs of the windows become one vector: their `mean`, in which a
        window counts as much as it has tokens, or their `max`.
    pooling: how the outputs of the last layer become one vector: that of the `last` token, which
        has read all others; the `mean`; or `attention`, a mean whose weights are learned.
    normalize: divide the vector of a text by its length, as sentence encoders are compared; the
        heads then read its direction only.
    dtype: of the weights in memory and in the served model; `bfloat16` halves both, for a frozen
        trunk. It computes in float32.
    """

    name: Literal["gguf"] = "gguf"
    file: str = field(metadata={"fingerprint": False, "path": True})
    length: Annotated[int, Field(ge=3)] = 128
    windows: Annotated[int, Field(ge=1)] = 4
    window_pooling: Literal["mean", "max"] = "mean"
    pooling: Literal["last", "mean", "attention"] = "last"
    normalize: bool = False
    dtype: StoredDtype = "float32"

    @property
    def pretrained(self) -> bool:
        return True

    def reading(self) -> Reading:
        return Tokens(preset=self.file, length=self.length, windows=self.windows)

    def files(self) -> tuple[str, ...]:
        return (self.file,)

    def check(self, inputs: tuple[Input, ...]) -> list[str]:
        try:
            file = read_gguf(self.file)
            if wrong := problems(file):
                return wrong
            limit = file.of_architecture("context_length")
        except GgufError as e:
            return [str(e)]
        wrong = [
            f"{self.file} reads text, but inputs.{i.name} is {i.kind}."
            for i in inputs
            if not isinstance(i, TextInput)
        ]
        if self.length > limit:
            wrong.append(
                f"{self.file}: the model has {limit} positions, but `length` is {self.length}."
                " Lower the trunk's `length`: longer texts are read in windows."
            )
        return wrong + more_than_free(self.file, num_weights(file), self.dtype)

    def check_transfer(self, frozen: bool) -> str:
        return check_learning(frozen, self.pooling, self.dtype)

    def check_pretraining(self) -> str:
        return check_learning(False, self.pooling, self.dtype)

    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        try:
            file = read_gguf(self.file)
            backbone = gguf_backbone(file, True, stored_as(self.dtype))
        except GgufError as e:
            raise TrunkError(str(e)) from e
        texts = only(TokensFeature, features, self.file)
        pooling = self.pooling, self.window_pooling, self.normalize
        return text_model(backbone, texts, _what(file), *pooling)

    def save_files(self, directory: Path) -> None:
        backbone = gguf_backbone(read_gguf(self.file), False, {})
        (directory / CONFIG).write_text(json.dumps(keras.saving.serialize_keras_object(backbone)))

    def with_saved_files(self, directory: Path) -> KerasHub:
        """Of a trained model, which does not need the file: its architecture is KerasHub's."""
        return KerasHub(
            preset=str(directory),
            length=self.length,
            windows=self.windows,
            window_pooling=self.window_pooling,
            pooling=self.pooling,
            normalize=self.normalize,
            dtype=self.dtype,
            pretrained=False,
        )


def _what(file: GgufFile) -> str:
    return f"{file.path} ({file.architecture})"
