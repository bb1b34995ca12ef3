"""Makes a KerasHub tokenizer of the one in a GGUF file. Calling its functions imports KerasHub."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from models.inputs.sources.gguf_file import GgufError, GgufFile
from models.lazy import load

USER_DEFINED, BYTE = 4, 6
"""Types of tokens: those that are never split, and the bytes of a SentencePiece model."""
SPLITS_NUMBERS = ("llama-bpe", "llama3", "llama-v3")
"""Byte-pair tokenizers that split words otherwise than KerasHub does (numbers of over 3 digits)."""


@dataclass(frozen=True)
class PretrainedTokenizer:
    """tokenizer: a KerasHub tokenizer, which adds no special tokens. start, end, pad: ids, as in
    `models.inputs.tokens.TokensFeature`.
    """

    tokenizer: Any
    start: int | None
    end: int | None
    pad: int


def gguf_tokenizer(file: GgufFile) -> PretrainedTokenizer:
    """The tokenizer of a file.

    Raises:
        GgufError: it has none that KerasHub can represent.
    """
    makers = {"gpt2": _byte_pair, "llama": _sentence_piece}
    kind = _of(file, "model")
    if kind not in makers:
        raise GgufError(
            f"{file.path}: its tokenizer is of the kind {kind!r}. Expected gpt2 (byte pairs) or"
            " llama (SentencePiece). Choose another model."
        )
    tokenizer = makers[kind](file)
    starts = _of(file, "add_bos_token", kind == "llama")
    ends = _of(file, "add_eos_token", False)
    return PretrainedTokenizer(
        tokenizer,
        start=_of(file, "bos_token_id") if starts else None,
        end=_of(file, "eos_token_id") if ends else None,
        pad=_of(file, "padding_token_id", _of(file, "eos_token_id", 0)),
    )


def _of(file: GgufFile, key: str, otherwise: Any = None) -> Any:
    value = file.metadata.get(f"tokenizer.ggml.{key}", otherwise)
    if value is None:
        raise GgufError(
            f"{file.path}: its metadata has no 'tokenizer.ggml.{key}'. Expected a GGUF file with"
            " its tokenizer inside."
        )
    return value


def _byte_pair(file: GgufFile) -> Any:
    if (rule := _of(file, "pre", "default")) in SPLITS_NUMBERS:
        raise GgufError(
            f"{file.path}: its tokenizer splits words by the rule {rule!r}, which KerasHub's"
            " tokenizers do not have in TensorFlow's graph. Choose another model."
        )
    tokens, types = _of(file, "tokens"), _of(file, "token_type")
    # Not control tokens: in a user's text, "<|im_end|>" is ten characters, as in llama.cpp.
    whole = [t for t, kind in zip(tokens, types, strict=True) if kind == USER_DEFINED]
    return load("keras_hub").tokenizers.BytePairTokenizer(
        vocabulary={token: i for i, token in enumerate(tokens)},
        merges=_of(file, "merges"),
        unsplittable_tokens=whole,
        add_prefix_space=bool(_of(file, "add_space_prefix", False)),
    )


def _sentence_piece(file: GgufFile) -> Any:
    """The classes of KerasHub read SentencePiece's file: the message `ModelProto` of
    https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto.

    It is written here, because the module of `sentencepiece` for that wants a newer Protobuf.
    """
    tokens, scores, types = (_of(file, key) for key in ("tokens", "scores", "token_type"))
    model = b""
    for token, score, kind in zip(tokens, scores, types, strict=True):
        piece = _message(1, token.encode()) + _key(2, 5) + struct.pack("<f", score)
        model += _message(1, piece + _number(3, kind))
    byte_pairs, has_bytes = 2, int(BYTE in types)
    trainer = _number(3, byte_pairs) + _number(35, has_bytes)
    unknown = _of(file, "unknown_token_id", 0)
    for field, name in ((41, "bos"), (42, "eos")):
        trainer += _number(field, _of(file, f"{name}_token_id"))
    trainer += _number(40, unknown)
    prefix = int(bool(_of(file, "add_space_prefix", True)))
    spaces = int(bool(_of(file, "remove_extra_whitespaces", False)))
    normalizer = _number(3, prefix) + _number(4, spaces) + _number(5, 1)
    model += _message(2, trainer) + _message(3, normalizer)
    return load("keras_hub").tokenizers.SentencePieceTokenizer(proto=model)


def _varint(value: int) -> bytes:
    """https://protobuf.dev/programming-guides/encoding"""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _number(field: int, value: int) -> bytes:
    return _key(field, 0) + _varint(value)


def _message(field: int, content: bytes) -> bytes:
    return _key(field, 2) + _varint(len(content)) + content
