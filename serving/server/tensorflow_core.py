"""TensorFlow without its front end: the runtime that executes graphs, in 1.5 s instead of 9 s.

`import tensorflow` spends most of its time on things a server never calls: the public API with all
of its modules, then Keras, and through Keras scikit-learn, pandas and Matplotlib. A process that
only runs SavedModels needs `tensorflow.python.client.session` and little else. So `prepare` puts an
empty package `tensorflow` in place, with the right path, before anything imports the real one.
Submodules (and the generated messages under `tensorflow.core`) import as ever.

For processes that serve and do nothing else. Where TensorFlow is imported already, it is used.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType


def prepare() -> None:
    """Make submodules of TensorFlow importable without running its `__init__`. Loads nothing yet.

    Raises:
        ModuleNotFoundError: TensorFlow is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "tensorflow" in sys.modules:
        return
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError("TensorFlow is not installed.")
    package = ModuleType("tensorflow")
    package.__spec__ = spec
    package.__file__ = spec.origin
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["tensorflow"] = package


def load() -> None:
    """Load the runtime: about 1.5 s the first time, then nothing."""
    from tensorflow.python.client import session  # noqa: F401
    from tensorflow.python.saved_model import loader_impl  # noqa: F401


def load_text_operations() -> bool:
    """Register the operations of TensorFlow Text, as TF Serving's image has them.

    Returns:
        Whether TensorFlow Text is installed.
    """
    from tensorflow.python.framework import load_library

    spec = importlib.util.find_spec("tensorflow_text")
    if spec is None or spec.origin is None:
        return False
    for library in sorted(Path(spec.origin).parent.glob("**/ops/*.so")):
        load_library.load_op_library(str(library))
    return True
