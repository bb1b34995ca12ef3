"""Portable files of an exported model, each in its own runtime."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import RootstockError
from components.export.portable.base import Arrays, PortableFormat, Runtime

if TYPE_CHECKING:
    import numpy as np

DIRECTORY = Path("assets.extra") / "portable"
"""Where they lie in a SavedModel."""
DESCRIPTION = "portable.json"


def check_installed(formats: Iterable[PortableFormat]) -> None:
    """Raises RootstockError: packages of a format are missing."""
    for form in formats:
        if missing := form.missing:
            raise RootstockError(
                f"export.formats: {form.name} needs packages that are not installed. Run: pip"
                f" install {' '.join(missing)} (the extra `{form.extra}` of Rootstock)."
            )


def portable_runtime(form: PortableFormat, saved_model: Path) -> Runtime:
    """The file of a format in its own runtime, with the names of features and outputs.

    Raises:
        RootstockError: packages of the format are missing.
    """
    check_installed([form])
    directory = saved_model / DIRECTORY
    described = json.loads((directory / DESCRIPTION).read_text(encoding="utf-8"))
    inputs = {entry["name"]: entry["tensor"] for entry in described["inputs"]}
    names = {entry["tensor"]: entry["name"] for entry in described["outputs"]}
    run = form.load(directory / form.file)

    def answers(features: Arrays) -> dict[str, np.ndarray]:
        given = run({inputs[name]: values for name, values in features.items()})
        return {names[tensor]: values for tensor, values in given.items()}

    return answers
