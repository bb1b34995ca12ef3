"""Keras and TensorFlow, imported when first used.

Specs are the objects that build models, so reading a spec imports the method modules. Importing
TensorFlow takes seconds and validation must not; hence every module below `models` that holds a
spec class takes `keras` and `tf` from here.

Keras also imports Matplotlib and scikit-learn wherever they are installed, for its plots and its
scikit-learn wrappers, which we do not use: a third of the import time. They are hidden from it.

TensorFlow uses oneDNN's kernels by itself only on processors with AVX-512's neural instructions.
They are faster with AVX2 too (`benchmarks/cpu_kernels.py`), so they are on unless the user has set
`TF_ENABLE_ONEDNN_OPTS`. Most of what it says about itself at every start (INFO) is left out unless
`TF_CPP_MIN_LOG_LEVEL` asks for it.
"""

from __future__ import annotations

import gc
import importlib
import os
import platform
import sys
import threading
from typing import TYPE_CHECKING, Any

_importing = threading.RLock()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

if TYPE_CHECKING:
    import keras
    import tensorflow as tf
    from keras import KerasTensor as Tensor
else:
    Tensor = Any  # a name for annotations

    class _Lazy:
        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, attribute: str) -> Any:
            module = sys.modules.get(self._name)
            if module is None or attribute not in vars(module):
                module = load(self._name)
            return getattr(module, attribute)

    keras = _Lazy("keras")
    tf = _Lazy("tensorflow")


def load(name: str) -> Any:
    """Import a module, without the optional packages that Keras would import for its extras."""
    with _importing:
        collecting = gc.isenabled()
        gc.disable()  # of what is allocated here almost all stays
        hidden = [p for p in ("matplotlib", "sklearn") if p not in sys.modules]
        sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
        try:
            return importlib.import_module(name)
        finally:
            for package in hidden:
                del sys.modules[package]
            if collecting:
                gc.enable()


__all__ = ["Tensor", "keras", "load", "tf"]
