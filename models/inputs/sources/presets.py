"""Finds KerasHub presets on this machine, without importing KerasHub or TensorFlow."""

from __future__ import annotations

import os
from pathlib import Path

CONFIG = "config.json"


def local_preset(preset: str) -> Path | None:
    """The directory of a preset: the one that it names, or that of an earlier download."""
    scheme, _, handle = preset.rpartition("://")
    if not scheme and os.path.isdir(preset):
        return Path(preset)
    if scheme in ("", "kaggle"):
        cache = Path(os.environ.get("KAGGLEHUB_CACHE") or "~/.cache/kagglehub").expanduser()
        place = handle if scheme else f"keras/*/keras/{handle}"
        presets = [config.parent for config in cache.glob(f"models/{place}/**/{CONFIG}")]
        # A download that was interrupted has no marker file beside it.
        whole = [p for p in presets if p.with_name(f"{p.name}.complete").exists()]
        return max(whole, key=_version, default=None)
    if scheme == "hf":
        cache = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
        cache = Path(os.environ.get("HF_HUB_CACHE") or cache / "hub").expanduser()
        snapshots = cache / f"models--{handle.replace('/', '--')}" / "snapshots"
        return max((f.parent for f in snapshots.glob(f"*/{CONFIG}")), default=None)
    return None


def _version(directory: Path) -> tuple[int, str]:
    return (int(directory.name) if directory.name.isdigit() else -1, str(directory))
