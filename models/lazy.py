"""Keras and TensorFlow, imported when first used.

Specs are the objects that build models, so reading a spec imports the method modules. Importing
TensorFlow takes seconds and validation must not; hence every module below `models` that holds a
spec class takes `keras` and `tf` from here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import tensorflow as tf
else:

    class _Lazy:
        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, attribute: str) -> Any:
            return getattr(importlib.import_module(self._name), attribute)

    keras = _Lazy("keras")
    tf = _Lazy("tensorflow")

__all__ = ["keras", "tf"]
