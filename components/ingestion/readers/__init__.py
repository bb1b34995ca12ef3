"""Readers of raw data, one file per format. `Source` is the spec type that accepts any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from components.ingestion.readers.base import Reader
from models.discovery import methods


def readers() -> dict[str, type[Reader]]:
    """The readers of this package, by format."""
    return methods("components.ingestion.readers", Reader, "format")


if TYPE_CHECKING:
    Source = Reader
else:
    Source = Annotated[
        Union[tuple(readers().values())],  # noqa: UP007 - built from a tuple
        Field(discriminator="format"),
    ]

__all__ = ["Reader", "Source", "readers"]
