"""Where a KerasHub preset lies on this machine, found without KerasHub or TensorFlow."""

from __future__ import annotations

import os
from pathlib import Path

from models.lazy import load
from models.trunks.base import TrunkError
from models.trunks.sources.reachability import unreachable

CONFIG = "config.json"
_HOSTS = {"kaggle": "https://www.kaggle.com", "hf": "https://huggingface.co"}


def local_preset(preset: str) -> Path | None:
    """The directory of a preset: its own, or where an earlier download put it."""
    scheme, _, handle = preset.rpartition("://")
    if not scheme and os.path.isdir(preset):
        return Path(preset)
    if scheme in ("", "kaggle"):
        cache = Path(os.environ.get("KAGGLEHUB_CACHE") or "~/.cache/kagglehub").expanduser()
        found = cache.glob(f"models/{handle if scheme else f'keras/*/keras/{handle}'}/**/{CONFIG}")
        # A download that was cut off has no marker beside it.
        whole = [
            f.parent for f in found if f.parent.with_name(f"{f.parent.name}.complete").exists()
        ]
        return max(whole, key=_version, default=None)
    if scheme == "hf":
        cache = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
        cache = Path(os.environ.get("HF_HUB_CACHE") or cache / "hub").expanduser()
        snapshots = cache / f"models--{handle.replace('/', '--')}" / "snapshots"
        return max((f.parent for f in snapshots.glob(f"*/{CONFIG}")), default=None)
    return None


def _version(directory: Path) -> tuple[int, str]:
    return (int(directory.name) if directory.name.isdigit() else -1, str(directory))


def fetched_preset(preset: str) -> Path:
    """The directory of a preset with all its files, downloaded by name where it is not here yet.

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
    except Exception as e:  # each hub raises exceptions of its own
        raise TrunkError(f"preset {preset!r} cannot be downloaded: {e}") from e
    raise TrunkError(
        f"preset {preset!r}: no such directory, and KerasHub knows no preset of that name."
        f" Expected one of the names at https://keras.io/keras_hub/presets, `hf://user/model`,"
        " `kaggle://user/model/keras/variation`, or a directory."
    )


def check_preset(preset: str) -> list[str]:
    """What keeps a preset from being read, as `Trunk.check` says it."""
    here = local_preset(preset)
    if here is None:
        scheme = preset.rpartition("://")[0]
        if not scheme and (os.sep in preset or preset.startswith(".")):
            return [f"preset {preset!r}: there is no such directory."]
        host = _HOSTS.get(scheme or "kaggle", "")
        if why := unreachable(host) if host else f"{scheme}:// is not known":
            return [
                f"preset {preset!r} is neither a directory nor in the cache of downloads, and"
                f" {why}. Name a directory, or download it where there is a network."
            ]
        return []
    if not (here / CONFIG).is_file():
        return [f"preset {here}: it holds no {CONFIG}, so it is no preset of KerasHub's."]
    if not any(any(here.glob(f"*{end}")) for end in (".weights.h5", ".safetensors", ".bin")):
        return [f"preset {here}: it holds no weights (*.weights.h5 or *.safetensors)."]
    return []


def is_text(directory: Path) -> bool:
    """Whether a preset holds a tokenizer."""
    names = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "spiece.model")
    return any((directory / name).is_file() for name in names)
