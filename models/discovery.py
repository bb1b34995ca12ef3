"""Methods and kinds are discovered: a new file in their package is a new choice in every spec.

A method has a `name` and a kind has a `kind`, each a literal default of a frozen dataclass. What a
kind means elsewhere (its head, its labels, its metrics) is a class of its own in a package of that
name, in the module `<package>.<kind>`; `part` gives it.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import MISSING, fields
from functools import partial
from typing import Annotated, Any, Literal, TypeVar, Union

from pydantic import BeforeValidator, Field

M = TypeVar("M")

PARTS = ("layers", "encoders", "sources", "math", "heads")
"""Folders of what methods and kinds are built from. They may import TensorFlow when imported."""


def methods(package: str, base: type[M], key: str = "name") -> dict[str, type[M]]:
    """Concrete subclasses of `base` in `package` and its folders, by their `key` default."""
    by_name: dict[str, type[M]] = {}
    for module in _modules(package):
        for cls in _concrete(module, base):
            by_name[str(getattr(cls, key))] = cls
    return dict(sorted(by_name.items()))


def part(package: str, base: type[M], kind: str) -> type[M]:
    """What `kind` means to `package`: the one concrete subclass of `base` in `<package>.<kind>`.

    Only that module is imported. `package` is a literal where this is called: fingerprints read it
    there (`pipeline.store.sources`), since no import statement names the module.

    Raises:
        LookupError: the package has no such module, or the module not exactly one such class.
    """
    module = f"{package}.{kind}"
    try:
        classes = list(_concrete(module, base))
    except ModuleNotFoundError as e:
        if e.name != module:
            raise
        raise LookupError(f"{package} has no module {kind!r}: the kind lacks this part.") from e
    if len(classes) != 1:
        raise LookupError(f"Expected one concrete {base.__name__} in {module}. Received: {classes}")
    return classes[0]


def choice(package: str, base: type[M], key: str = "name") -> Any:
    """The pydantic type of a spec field that takes any method (or kind) of `package`.

    Each is a frozen dataclass with a literal default of `key`, such as `name: Literal["hard"] =
    "hard"`.
    """
    by_name = methods(package, base, key)
    classes = tuple(by_name.values())
    whole: Any = classes[0]
    if len(classes) > 1:
        whole = Annotated[Union[classes], Field(discriminator=key)]  # noqa: UP007 - from a tuple
    names = tuple(name for name, cls in by_name.items() if not _required(cls))
    accepted = Union[whole, Literal[names]] if names else whole  # noqa: UP007
    return Annotated[whole, BeforeValidator(partial(_named, key), json_schema_input_type=accepted)]


def _required(cls: type[Any]) -> bool:
    """Whether a method has parameters without a default, so that its name alone is not enough."""
    return any(
        f.init and f.default is MISSING and f.default_factory is MISSING for f in fields(cls)
    )


def _named(key: str, value: Any) -> Any:
    """`uncertainty` is short for `{name: uncertainty}`."""
    return {key: value} if isinstance(value, str) else value


def _concrete(module: str, base: type[M]) -> Iterator[type[M]]:
    """The concrete subclasses of `base` that a module defines."""
    for cls in vars(importlib.import_module(module)).values():
        own = inspect.isclass(cls) and cls.__module__ == module
        if own and issubclass(cls, base) and not inspect.isabstract(cls):
            yield cls


def _modules(package: str) -> Iterator[str]:
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if not module.ispkg:
            yield f"{package}.{module.name}"
        elif module.name not in PARTS:
            yield from _modules(f"{package}.{module.name}")
