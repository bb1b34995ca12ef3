"""Makes a KerasHub backbone of a GGUF file.

GGUF names tensors in its own way, and llama.cpp changes some of them when it converts a model
(https://github.com/ggml-org/llama.cpp, convert_hf_to_gguf.py). Here they get back the names and
values that they have in Hugging Face's format, from which KerasHub knows how to load them.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.inputs.sources.gguf_file import GgufError, GgufFile
from models.lazy import keras
from models.trunks.sources.gguf_tensors import FORMATS, Floats, tensor_values, unknown_format

Config = dict[str, Any]


@dataclass(frozen=True)
class Architecture:
    """converter: module of KerasHub that loads it from Hugging Face's format. config: the
    configuration in that format. names: pattern of a name in GGUF, by the name in that format; `#`
    is the number of a block. restored: undoes what llama.cpp changed in a tensor of that name.
    options: arguments of the backbone that the converter leaves out.
    """

    converter: str
    config: Callable[[GgufFile], Config]
    names: dict[str, str]
    restored: Callable[[GgufFile, str, Floats], Floats] = lambda file, name, x: x
    options: Callable[[Config], dict[str, Any]] = lambda config: {}


def num_weights(file: GgufFile) -> int:
    return sum(place.size for name, place in file.tensors.items() if name != OUTPUT)


def problems(file: GgufFile) -> list[str]:
    """Why no backbone can be made of a file, by its header; one sentence each."""
    if (architecture := ARCHITECTURES.get(file.architecture)) is None:
        return [
            f"{file.path}: its architecture is {file.architecture!r}. Expected one of"
            f" {', '.join(ARCHITECTURES)}. Choose another model, or a KerasHub preset of this one."
        ]
    known = re.compile("|".join(_pattern(n) for n in architecture.names.values()))
    foreign = [n for n in file.tensors if not known.fullmatch(n) and n != OUTPUT]
    if foreign:
        return [
            f"{file.path}: KerasHub's {file.architecture} has no place for the tensor"
            f" {foreign[0]!r}, so the model would be another one. Choose another model."
        ]
    undecoded = [n for n, p in file.tensors.items() if p.format not in FORMATS and n != OUTPUT]
    if undecoded:
        return [unknown_format(file, undecoded[0])]
    scaling = file.of_architecture("rope.scaling.type", "none")
    if scaling != "none":
        return [
            f"{file.path}: its positions are scaled ({scaling}), which cannot be read from GGUF."
            " Take the model as a KerasHub preset."
        ]
    tokens = file.metadata.get("tokenizer.ggml.tokens", [])
    embedded = file.tensors[EMBEDDING].shape[0] if EMBEDDING in file.tensors else len(tokens)
    if len(tokens) > embedded:
        return [
            f"{file.path}: its tokenizer has {len(tokens)} tokens, but its embedding {embedded}:"
            " the tokenizer belongs to another model. Take a complete GGUF file."
        ]
    return []


def gguf_backbone(file: GgufFile, load_weights: bool, options: dict[str, Any]) -> keras.Model:
    """The backbone with its weights, or with random ones.

    Raises:
        GgufError: no backbone can be made of the file.
    """
    if wrong := problems(file):
        raise GgufError(wrong[0])
    architecture = ARCHITECTURES[file.architecture]
    converter = importlib.import_module(
        f"keras_hub.src.utils.transformers.{architecture.converter}"
    )
    config = architecture.config(file)
    arguments = converter.convert_backbone_config(config) | architecture.options(config)
    backbone = converter.backbone_cls(**(arguments | options))
    if load_weights:
        converter.convert_weights(backbone, _Loader(file, architecture), config)
    return backbone


class _Loader:
    """What KerasHub's converters read weights from, instead of Hugging Face's files."""

    def __init__(self, file: GgufFile, architecture: Architecture) -> None:
        self.file, self.architecture = file, architecture

    def port_weight(
        self,
        keras_variable: keras.Variable,
        hf_weight_key: str,
        hook_fn: Callable[[Floats, list[int]], Floats] | None = None,
    ) -> None:
        number = re.search(r"\.(\d+)\.", hf_weight_key)
        general = re.sub(r"\.\d+\.", ".#.", hf_weight_key)
        stored = self.architecture.names[general].replace("#", number[1] if number else "")
        value = self.architecture.restored(self.file, stored, tensor_values(self.file, stored))
        shape = list(keras_variable.shape)
        value = hook_fn(value, shape) if hook_fn else value
        if list(value.shape) != shape:
            raise GgufError(
                f"{self.file.path}: tensor {stored!r} has the shape {list(value.shape)}. Expected"
                f" {shape} by the metadata. Take a complete GGUF file."
            )
        keras_variable.assign(value)


EMBEDDING, OUTPUT = "token_embd.weight", "output.weight"
"""The embedding of tokens; and that which predicts the next token, which no trunk needs."""


def _pattern(name: str) -> str:
    return re.escape(name).replace(r"\#", r"\d+")


def _block_names(hub: dict[str, str], ends: tuple[str, ...] = ("weight",)) -> dict[str, str]:
    return {f"{theirs}.{e}": f"blk.#.{ours}.{e}" for theirs, ours in hub.items() for e in ends}


def _rotary_config(file: GgufFile) -> Config:
    """The configuration of a decoder with rotary positions."""
    heads = file.of_architecture("attention.head_count")
    return {
        "vocab_size": file.tensors[EMBEDDING].shape[0],
        "num_hidden_layers": file.of_architecture("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": file.of_architecture("attention.head_count_kv", heads),
        "hidden_size": file.of_architecture("embedding_length"),
        "intermediate_size": file.of_architecture("feed_forward_length"),
        "rope_theta": file.of_architecture("rope.freq_base", 10000.0),
        "rms_norm_eps": file.of_architecture("attention.layer_norm_rms_epsilon"),
        "tie_word_embeddings": True,  # without the weights that predict tokens
    }


def _qwen_config(file: GgufFile) -> Config:
    return _rotary_config(file) | {"use_sliding_window": False, "sliding_window": None}


def _gemma_config(file: GgufFile) -> Config:
    size = {"model_type": "gemma", "head_dim": file.of_architecture("attention.key_length")}
    return _rotary_config(file) | size


def _gpt2_config(file: GgufFile) -> Config:
    return {
        "vocab_size": file.tensors[EMBEDDING].shape[0],
        "n_layer": file.of_architecture("block_count"),
        "n_head": file.of_architecture("attention.head_count"),
        "n_embd": file.of_architecture("embedding_length"),
        "n_positions": file.of_architecture("context_length"),
        "resid_pdrop": 0.1,
    }


def _unpermuted(file: GgufFile, name: str, x: Floats) -> Floats:
    """Undo the order of rows of queries and keys, in which llama.cpp puts the two values that a
    rotation mixes next to each other. They are half a head apart.
    """
    if not name.endswith(("attn_q.weight", "attn_k.weight")):
        return x
    key = "attention.head_count" + ("_kv" if name.endswith("attn_k.weight") else "")
    heads = file.of_architecture(key, file.of_architecture("attention.head_count"))
    return x.reshape(heads, -1, 2, x.shape[1]).swapaxes(1, 2).reshape(x.shape)


def _without_one(file: GgufFile, name: str, x: Floats) -> Floats:
    """Undo the 1 that llama.cpp adds to Gemma's scales."""
    return x - np.float32(1) if name.endswith("norm.weight") else x


def _transposed(file: GgufFile, name: str, x: Floats) -> Floats:
    """Undo the transposition of GPT-2's kernels."""
    is_kernel = x.ndim == 2 and name.startswith("blk.")
    return x.T if is_kernel else x


_ROTARY = {
    "model.embed_tokens.weight": EMBEDDING,
    "model.norm.weight": "output_norm.weight",
    **_block_names(
        {
            "model.layers.#.input_layernorm": "attn_norm",
            "model.layers.#.self_attn.q_proj": "attn_q",
            "model.layers.#.self_attn.k_proj": "attn_k",
            "model.layers.#.self_attn.v_proj": "attn_v",
            "model.layers.#.self_attn.o_proj": "attn_output",
            "model.layers.#.post_attention_layernorm": "ffn_norm",
            "model.layers.#.mlp.gate_proj": "ffn_gate",
            "model.layers.#.mlp.up_proj": "ffn_up",
            "model.layers.#.mlp.down_proj": "ffn_down",
        }
    ),
}
_QWEN = _ROTARY | _block_names(
    {f"model.layers.#.self_attn.{x}_proj": f"attn_{x}" for x in "qkv"}, ("weight", "bias")
)
_GPT2 = {
    "wte.weight": EMBEDDING,
    "wpe.weight": "position_embd.weight",
    "ln_f.weight": "output_norm.weight",
    "ln_f.bias": "output_norm.bias",
    **_block_names(
        {
            "h.#.ln_1": "attn_norm",
            "h.#.attn.c_attn": "attn_qkv",
            "h.#.attn.c_proj": "attn_output",
            "h.#.ln_2": "ffn_norm",
            "h.#.mlp.c_fc": "ffn_up",
            "h.#.mlp.c_proj": "ffn_down",
        },
        ("weight", "bias"),
    ),
}


def _epsilon(config: Config) -> dict[str, Any]:
    return {"layer_norm_epsilon": config["rms_norm_eps"]}


ARCHITECTURES = {
    "llama": Architecture("convert_llama3", _rotary_config, _ROTARY, _unpermuted, _epsilon),
    "qwen2": Architecture("convert_qwen", _qwen_config, _QWEN),
    "gemma": Architecture("convert_gemma", _gemma_config, _ROTARY, _without_one, _epsilon),
    "gpt2": Architecture("convert_gpt2", _gpt2_config, _GPT2, _transposed),
}
"""By the name that a file has for them."""
