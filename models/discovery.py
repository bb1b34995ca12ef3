"""Methods are found, not listed: a new file in a method package is a new choice in every spec."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Annotated, Any, TypeVar, Union

from pydantic import BeforeValidator, Field

M = TypeVar("M")


def methods(package: str, base: type[M]) -> dict[str, type[M]]:
    """Concrete subclasses of `base` in the modules of `package`, by their `name` default."""
    found: dict[str, type[M]] = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        scope = vars(importlib.import_module(f"{package}.{module.name}"))
        for cls in scope.values():
            own = inspect.isclass(cls) and cls.__module__ == f"{package}.{module.name}"
            if own and issubclass(cls, base) and not inspect.isabstract(cls):
                found[str(cls.name)] = cls
    return dict(sorted(found.items()))


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
