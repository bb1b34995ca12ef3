"""Methods are found, not listed: a new file in a method package is a new choice in every spec."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, Union

from pydantic import BeforeValidator, Field

M = TypeVar("M")

PARTS = ("layers", "encoders", "sources", "math")
"""Folders of what methods are built from. They hold no methods and may import TensorFlow."""


def methods(package: str, base: type[M]) -> dict[str, type[M]]:
    """Concrete subclasses of `base` in `package` and its folders, by their `name` default."""
    by_name: dict[str, type[M]] = {}
    for module in _modules(package):
        for cls in vars(importlib.import_module(module)).values():
            own = inspect.isclass(cls) and cls.__module__ == module
            if own and issubclass(cls, base) and not inspect.isabstract(cls):
                by_name[str(cls.name)] = cls
    return dict(sorted(by_name.items()))


def _modules(package: str) -> Iterator[str]:
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if not module.ispkg:
            yield f"{package}.{module.name}"
        elif module.name not in PARTS:
            yield from _modules(f"{package}.{module.name}")


def _named(value: Any) -> Any:
    """`uncertainty` is short for `{name: uncertainty}`."""
    return {"name": value} if isinstance(value, str) else value


def choice(package: str, base: type[M]) -> Any:
    """The pydantic type of a spec field that takes any method of `package`.

    Each method is a frozen dataclass with `name: Literal["..."] = "..."`.
    """
    classes = tuple(methods(package, base).values())
    if len(classes) == 1:
        return Annotated[classes[0], BeforeValidator(_named)]
    return Annotated[
        Union[classes],  # noqa: UP007 - built from a tuple
        Field(discriminator="name"),
        BeforeValidator(_named),
    ]
