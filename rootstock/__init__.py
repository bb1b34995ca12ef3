"""Rootstock from Python: everything that the command line does, and its layers for plain Keras.

    import rootstock as rs

    spec = rs.Spec.load("spec.yaml")
    result = rs.run(spec)
    result.metrics

Nothing heavy is imported before it is used: `import rootstock` imports neither TensorFlow nor
pandas. See docs/python.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components.errors import RootstockError
    from rootstock import keras
    from rootstock.commands import advise, auto, run, serve, study
    from rootstock.results import AutoResult, Report, Result
    from rootstock.specs import Spec

_PLACES = {
    "AutoResult": "rootstock.results",
    "Report": "rootstock.results",
    "Result": "rootstock.results",
    "RootstockError": "components.errors",
    "Spec": "rootstock.specs",
    "advise": "rootstock.commands",
    "auto": "rootstock.commands",
    "run": "rootstock.commands",
    "serve": "rootstock.commands",
    "study": "rootstock.commands",
}

__all__ = [
    "AutoResult",
    "Report",
    "Result",
    "RootstockError",
    "Spec",
    "advise",
    "auto",
    "keras",
    "run",
    "serve",
    "study",
]


def __getattr__(name: str) -> Any:
    if name == "keras":
        return importlib.import_module("rootstock.keras")
    if name not in _PLACES:
        raise AttributeError(f"module 'rootstock' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
