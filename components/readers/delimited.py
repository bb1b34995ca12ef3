"""Delimited text: CSV, TSV and their relatives, also compressed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from components.readers.base import BadRecord, Reader, Unit

if TYPE_CHECKING:
    import pyarrow as pa

ColumnType = Literal["int", "float", "bool", "string"]


@dataclass(frozen=True, kw_only=True)
class CsvReader(Reader):
    r"""Rows of text, separated by a delimiter; compressed ones (.gz, .bz2, .zst) too.

    delimiter: one character, "\t" for tab. quote: the quote character; "" where quotes mean nothing.
    columns: names, where the file has no header.
    skip_rows: lines to leave out before the header, or before the data where there is none.
    null_values: texts that mean missing. strip: trim spaces around values.
    types: of columns whose type should not be found from the first block of the first file.
    """

    format: Literal["csv"] = "csv"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    quote: Annotated[str, Field(max_length=1)] = '"'
    columns: tuple[str, ...] = ()
    skip_rows: Annotated[int, Field(ge=0)] = 0
    null_values: tuple[str, ...] = ("",)
    strip: bool = False
    encoding: str = "utf-8"
    types: Mapping[str, ColumnType] = field(default_factory=dict)

    def units(self, root: Path) -> list[Unit]:
        raise NotImplementedError

    def schema(self, root: Path) -> pa.Schema:
        raise NotImplementedError

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        raise NotImplementedError
