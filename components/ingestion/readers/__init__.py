"""Readers of raw data, one file per format; `Source` is the spec type that takes any of them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from components.ingestion.readers.base import Reader


def readers() -> dict[str, type[Reader]]:
    """The readers of this package, by format."""
    found: dict[str, type[Reader]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for cls in vars(module).values():
            own = inspect.isclass(cls) and cls.__module__ == module.__name__
            if own and issubclass(cls, Reader) and not inspect.isabstract(cls):
                found[str(cls.format)] = cls
    return dict(sorted(found.items()))


if TYPE_CHECKING:
    Source = Reader
else:
    Source = Annotated[
        Union[tuple(readers().values())],  # noqa: UP007 - built from a tuple
        Field(discriminator="format"),
    ]

__all__ = ["Reader", "Source", "readers"]
