"""Makes a self-contained feature of a pretrained tokenizer.

Importing this module is cheap; calling its functions imports KerasHub.
"""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path

from models.inputs.base import StateFile
from models.inputs.encodings import Tokens
from models.inputs.sources.gguf_file import GgufError, is_gguf, read_gguf
from models.inputs.sources.gguf_tokenizer import PretrainedTokenizer, gguf_tokenizer
from models.inputs.sources.presets import local_preset
from models.inputs.tokens import TokensFeature
from models.lazy import load


class TokenizerError(ValueError):
    """The tokenizer of a preset cannot be read."""


def tokens_feature(reading: Tokens, name: str, column: str) -> TokensFeature:
    """The tokenizer of a preset, with its files, as a feature.

    Raises:
        TokenizerError: the preset is missing, is not a text model, or lacks its vocabulary.
    """
    try:
        read = _read(reading.preset)
        tokenizer = read.tokenizer
        with tempfile.TemporaryDirectory() as directory:
            tokenizer.save_assets(directory)
            files = tuple(
                StateFile(name=f.name, content=base64.b64encode(f.read_bytes()).decode())
                for f in sorted(Path(directory).iterdir())
            )
    except GgufError as e:
        raise TokenizerError(str(e)) from e
    except Exception as e:  # KerasHub and its tokenizer libraries may raise any exception
        raise TokenizerError(
            f"preset {reading.preset!r}: no tokenizer can be read from it: {e}\n"
            "Expected a KerasHub preset of a text model with its tokenizer, a GGUF file, or"
            " a Hugging Face directory with config.json and its vocabulary (vocab.txt, …)."
        ) from e
    left_out = {"name", "trainable", "dtype", "config_file"}
    config = {k: v for k, v in tokenizer.get_config().items() if k not in left_out}
    # Many classes demand them, and take None until the files are read, as KerasHub itself does.
    config |= {k: None for k in ("vocabulary", "merges", "proto") if k in config}
    if _strips_accents(reading.preset):
        config["strip_accents"] = True
    feature = TokensFeature(
        name=name,
        column=column,
        length=reading.length,
        windows=reading.windows,
        tokenizer=type(tokenizer).__name__,
        config=json.dumps(config, sort_keys=True),
        files=files,
        start=read.start,
        end=read.end,
        pad=read.pad,
        vocabulary_size=int(tokenizer.vocabulary_size()),
    )
    if problem := _unusable(feature):
        raise TokenizerError(
            f"preset {reading.preset!r}: its {feature.tokenizer} cannot be part of a served model:"
            f" {problem}. Choose another preset."
        )
    return feature


def _read(preset: str) -> PretrainedTokenizer:
    if is_gguf(preset):
        return gguf_tokenizer(read_gguf(preset))
    tokenizer = load("keras_hub").tokenizers.Tokenizer.from_preset(preset)
    start, end, pad = (getattr(tokenizer, f"{k}_token_id", None) for k in ("start", "end", "pad"))
    return PretrainedTokenizer(tokenizer, start, end, pad or 0)


def _unusable(feature: TokensFeature) -> str:
    """Why the tokenizer cannot be rebuilt from the feature, or served; empty if it can."""
    from models.inputs.layers.tokens import Tokenizer

    try:
        tokenizer = Tokenizer(feature)
        graph = tokenizer.__call__.get_concrete_function().graph.as_graph_def()
    except Exception as e:  # KerasHub and its tokenizer libraries may raise any exception
        return f"it cannot be rebuilt from its files ({e})"
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    in_python = any(node.op in ("PyFunc", "EagerPyFunc", "PyFuncStateless") for node in nodes)
    return "it runs in Python, not in TensorFlow's graph" if in_python else ""


def _strips_accents(preset: str) -> bool:
    """Whether a Hugging Face BERT tokenizer drops accents. By default those that ignore case do;
    KerasHub does not convert this setting.
    """
    file = (local_preset(preset) or Path(preset)) / "tokenizer_config.json"
    if not file.is_file():
        return False
    config = json.loads(file.read_text())
    stripped = config.get("strip_accents")
    return bool(config.get("do_lower_case", False) if stripped is None else stripped)
