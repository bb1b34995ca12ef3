"""Downloads and checks KerasHub presets."""

from __future__ import annotations

import json
import os
import struct
from math import prod
from pathlib import Path
from typing import Any

from models.inputs.sources.presets import CONFIG, local_preset
from models.lazy import load
from models.masked_url import MaskedUrl
from models.trunks.base import TrunkError
from models.trunks.sources.reachability import unreachable

_HOSTS = {"kaggle": MaskedUrl("https://www.kaggle.com"), "hf": MaskedUrl("https://huggingface.co")}


def fetched_preset(preset: str) -> Path:
    """The local directory of a preset with all its files. Downloads the preset if needed.

    Raises:
        TrunkError: there is no such preset, or it cannot be downloaded.
    """
    if (here := local_preset(preset)) is not None:
        return here
    try:
        from keras_hub.src.utils.preset_utils import BUILTIN_PRESETS

        load("keras_hub")
        handle = BUILTIN_PRESETS.get(preset, {}).get("kaggle_handle", preset)
        scheme, _, name = handle.rpartition("://")
        if scheme == "kaggle":
            return Path(load("kagglehub").model_download(name))
        if scheme == "hf":
            return Path(load("huggingface_hub").snapshot_download(name))
    except Exception as e:  # each hub has exceptions of its own
        raise TrunkError(f"preset {preset!r} cannot be downloaded: {e}") from e
    raise TrunkError(
        f"preset {preset!r}: no such directory, and KerasHub has no preset of that name."
        " Expected one of the names at https://keras.io/keras_hub/presets, `hf://user/model`,"
        " `kaggle://user/model/keras/variation`, or a directory."
    )


def check_preset(preset: str) -> list[str]:
    """Problems that would keep a preset from being read, as `Trunk.check` states them."""
    here = local_preset(preset)
    if here is None:
        scheme = preset.rpartition("://")[0]
        if not scheme and (os.sep in preset or preset.startswith(".")):
            return [f"preset {preset!r}: no such directory."]
        host = _HOSTS.get(scheme or "kaggle")
        if why := unreachable(host) if host else f"{scheme}:// is not supported":
            return [
                f"preset {preset!r} is neither a directory nor in the download cache, and {why}."
                " Name a directory, or download the preset with network access."
            ]
        return []
    if not (here / CONFIG).is_file():
        return [f"preset {here}: it has no {CONFIG}, so it is no KerasHub preset."]
    if not any(any(here.glob(f"*{end}")) for end in (".weights.h5", ".safetensors", ".bin")):
        return [f"preset {here}: it has no weights (*.weights.h5 or *.safetensors)."]
    return []


def num_weights(directory: Path) -> int:
    """The number of weights in a preset; of HDF5 and PyTorch, a quarter of the bytes."""
    tensors = sum(_safetensors_size(f) for f in directory.glob("*.safetensors"))
    others = [*directory.glob("*.weights.h5"), *directory.glob("*.bin")]
    return tensors or sum(f.stat().st_size for f in others) // 4


def _safetensors_size(file: Path) -> int:
    """The number of values in a safetensors file, by its header."""
    with open(file, "rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8).ljust(8, b"\0"))
        try:
            header = json.loads(opened.read(min(length, 2**27)))
        except ValueError:
            return 0  # loading the weights says what is wrong
    return sum(prod(t["shape"]) for n, t in header.items() if n != "__metadata__")


def positions(directory: Path) -> int | None:
    """The length of the longest text that a preset's configuration allows; None if it has none."""
    config = _config(directory)
    for key in ("max_position_embeddings", "n_positions"):  # of Hugging Face
        if isinstance(limit := config.get(key), int):
            return limit
    limit = config.get("config", {}).get("max_sequence_length")
    return limit if isinstance(limit, int) else None


def unconverted(directory: Path) -> dict[str, Any]:
    """Arguments of a backbone that KerasHub 0.32 does not take from a Hugging Face configuration:
    it gives Llama the epsilon of 1e-6, whatever `rms_norm_eps` is.
    """
    config = _config(directory)
    if config.get("model_type") == "llama" and "rms_norm_eps" in config:
        return {"layer_norm_epsilon": config["rms_norm_eps"]}
    return {}


def _config(directory: Path) -> dict[str, Any]:
    try:
        config = json.loads((directory / CONFIG).read_text())
    except (OSError, ValueError):
        return {}  # loading the preset says what is wrong
    return config if isinstance(config, dict) else {}


def is_text(directory: Path) -> bool:
    """Whether a preset has a tokenizer."""
    names = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "spiece.model")
    return any((directory / name).is_file() for name in names)
