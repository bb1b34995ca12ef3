"""Delimited text files such as CSV and TSV, also compressed."""

from __future__ import annotations

import codecs
import contextlib
import threading
import weakref
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from components.data.lazy import arrow_csv, pa, pc
from components.data.number_texts import NumberFormat, plain
from components.data.raw_files import listing
from components.errors import RootstockError
from components.ingestion.columns import check_columns
from components.ingestion.readers.base import BadRecord, Unit
from components.ingestion.readers.byte_ranges import (
    ASCII_LIKE,
    opened_range,
    units_of_rows,
    with_head,
)
from components.ingestion.readers.delimited_lines import Dialect, Row, rows_of
from components.ingestion.readers.files import WHOLE, FilesReader, whole_files
from components.ingestion.readers.limits import COLUMNS
from components.ingestion.readers.quotes import QuoteCheck
from components.ingestion.readers.text_values import (
    ColumnType,
    Encoding,
    declared_types,
    decode,
    infer_type,
    parse_column,
)

BLOCK_BYTES = 1 << 24
"""Bytes per read. The longest row must fit. The first block decides the types of columns."""
SHOWN = 10
READ_AHEAD_S = 60.0
"""Longest time to wait for the block that Arrow reads ahead when a file is given up."""


@dataclass(frozen=True, kw_only=True)
class CsvReader(FilesReader):
    r"""Text with one row per line and values separated by a delimiter; also compressed (.gz, .bz2,
    .zst).

    delimiter: one character; "\t" for tab.
    quote: the quote character; "" if quotes have no meaning, as in most tab-separated files.
    columns: column names, for files without a header.
    skip_rows: number of lines to skip before the header, or before the data without a header.
    null_values: texts that mean a missing value, or a list of them for each of some columns; in the
        others it is the empty text. strip: trim spaces around values.
    number_formats: by column: the spelling of its numbers, if they have a decimal comma or signs
        between thousands.
    types: by column: int, float, bool or string. For columns whose type should not be inferred from
        the first block of the first file.
    """

    format: Literal["csv"] = "csv"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    quote: Annotated[str, Field(max_length=1)] = '"'
    columns: tuple[str, ...] = ()
    skip_rows: Annotated[int, Field(ge=0)] = 0
    null_values: tuple[str, ...] | Mapping[str, tuple[str, ...]] = ("",)
    strip: bool = False
    encoding: Encoding = "utf-8"
    types: Mapping[str, ColumnType] = field(default_factory=dict)
    number_formats: Mapping[str, NumberFormat] = field(default_factory=dict)

    def file_units(self, base: Path, name: str) -> list[Unit]:
        shape = self.delimiter, self.quote, self.encoding, self.skip_rows
        units = units_of_rows(base, name, *shape)
        if len(units) == 1:
            return units
        with contextlib.closing(self._rows(Unit(str(base), (name,)))) as rows:
            first = next(rows, None)
        return with_head(units, first.last) if first else units

    def peek_units(self, root: Path) -> list[Unit]:
        return whole_files(root)

    def schema(self, root: Path) -> pa.Schema:
        """The columns of the first file. The others must have the same."""
        base, names = listing(root)
        return self.file_schema(base / names[0])

    def file_schema(self, file: Path) -> pa.Schema:
        columns, _ = self._header(file)
        check_columns("types", self.types, columns, str(file))
        types = declared_types(self.types)
        unit = Unit(str(file.parent), (file.name,))
        with contextlib.closing(self._blocks(unit, columns, [])) as blocks:
            block = next(blocks, None)
        for name in set(columns) - set(types):
            texts = self._texts(block.column(name), name)[0] if block else pa.nulls(0, pa.string())
            if spelling := self.number_formats.get(name):
                texts, _ = plain(texts, spelling)
            types[name] = infer_type(texts)
        return pa.schema([(name, types[name]) for name in columns])

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        columns, _ = self._header(unit.file)
        if sorted(columns) != sorted(schema.names):
            raise RootstockError(
                f"{unit.file}: its columns are {', '.join(columns)}. Expected those of the first"
                f" file of this source: {', '.join(schema.names)}."
            )
        invalid: list[int] = []
        reasons: dict[int, str] = {}
        offset = 0
        for block, not_closed in self._checked_blocks(unit, columns, invalid):
            in_block = dict(not_closed)
            arrays = []
            for field_ in schema:
                values, undecodable = self._texts(block.column(field_.name), field_.name)
                parsed, unparsed = self._parsed(values, field_)
                for row in undecodable:
                    in_block.setdefault(row, f"column {field_.name!r} is not {self.encoding} text")
                for row, reason in unparsed.items():
                    in_block.setdefault(row, f"column {field_.name!r}: {reason}")
                arrays.append(parsed)
            batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
            if in_block:
                keep = [i not in in_block for i in range(block.num_rows)]
                batch = batch.filter(pa.array(keep))
                reasons.update({offset + row: reason for row, reason in in_block.items()})
            offset += block.num_rows
            yield batch
        if invalid or reasons:
            yield from self._bad_records(unit, len(columns), reasons)

    def _header(self, file: Path) -> tuple[list[str], int]:
        """Column names, and the number of lines before the data.

        Raises:
            RootstockError: no rows, repeated names, too many columns, or another delimiter or
                number of columns.
        """
        with contextlib.closing(self._rows(Unit(str(file.parent), (file.name,)))) as rows:
            first = next(rows, None)
        if first is None:
            raise RootstockError(f"{file}: is empty. Expected rows of text.")
        row, end = first.values, first.last
        if first.problem and not self.columns:
            raise RootstockError(f"{file}, line {first.first}: {first.problem}. Close it.")
        if len(row) > COLUMNS:
            raise RootstockError(
                f"{file}, line {end}: has {len(row):,} columns. Expected at most {COLUMNS:,}: put"
                " such data into a column of lists, for example in a Parquet file."
            )
        if len(row) == 1:
            for other in ("\t", ";", ",", "|"):
                if other != self.delimiter and other in row[0]:
                    raise RootstockError(
                        f"{file}, line {end}: only one column with delimiter {self.delimiter!r},"
                        f" but the line contains {other!r}. Expected `delimiter: {other!r}`?"
                    )
        if self.columns and len(self.columns) != len(row):
            raise RootstockError(
                f"{file}, line {end}: has {len(row)} columns, but `columns` names"
                f" {len(self.columns)}."
            )
        names = list(self.columns) or [n.strip() or f"column_{i}" for i, n in enumerate(row)]
        if repeated := sorted(n for n, count in Counter(names).items() if count > 1):
            shown = ", ".join(repeated[:SHOWN]) + (", …" if len(repeated) > SHOWN else "")
            raise RootstockError(
                f"{file}, line {end}: repeated column names: {shown}. Expected a"
                " header of distinct names. If the file has no header, set `columns`."
            )
        return names, self.skip_rows if self.columns else end

    def _checked_blocks(
        self, unit: Unit, columns: list[str], invalid: list[int]
    ) -> Iterator[tuple[pa.RecordBatch, dict[int, str]]]:
        """The blocks, each with its rows that go on after a quote which is not closed, and why."""
        ascii_like = codecs.lookup(self.encoding).name in ASCII_LIKE
        stream = opened_range(unit)
        quotes = QuoteCheck(stream, self.delimiter, self.quote, ascii_like)
        not_closed: dict[int, str] = {}
        known, offset = False, 0
        with stream:
            for number, block in enumerate(self._blocks(unit, columns, invalid)):
                # of the bytes of a row, the last may be in the block after its own
                if not known and quotes.broken((number + 2) * BLOCK_BYTES):
                    not_closed, known = self._not_closed(unit, len(columns)), True
                stop = offset + block.num_rows
                rows = {i - offset: why for i, why in not_closed.items() if offset <= i < stop}
                yield block, rows
                offset = stop
            if not known and quotes.broken() and self._not_closed(unit, len(columns)):
                raise RootstockError(f"{unit.file}: a quote is not closed. Close it.")

    def _blocks(
        self, unit: Unit, columns: list[str], invalid: list[int]
    ) -> Generator[pa.RecordBatch]:
        """Blocks of rows as binary columns. For rows with another number of columns, this number is
        appended to `invalid`.
        """
        released = threading.Event()
        lines_before_data = 0 if unit.start else self._header(unit.file)[1]
        try:
            yield from arrow_csv.open_csv(
                opened_range(unit),
                arrow_csv.ReadOptions(
                    use_threads=False,
                    block_size=BLOCK_BYTES,
                    skip_rows=lines_before_data,
                    column_names=columns,
                    encoding=self.encoding,
                ),
                arrow_csv.ParseOptions(
                    delimiter=self.delimiter,
                    quote_char=self.quote or False,
                    double_quote=bool(self.quote),
                    newlines_in_values=bool(self.quote),
                    invalid_row_handler=_Skip(invalid, released),
                ),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(columns, pa.binary()), strings_can_be_null=False
                ),
            )
        except UnicodeDecodeError as e:
            raise RootstockError(
                f"{unit.file}: is not {self.encoding} text ({e}). Set `encoding`."
            ) from e
        except (pa.ArrowException, OSError, EOFError, ValueError) as e:
            if "Empty CSV file" in str(e):
                return
            if "straddling" in str(e):
                raise RootstockError(
                    f"{unit.file}: a row is longer than {BLOCK_BYTES >> 20} MiB. Expected delimited"
                    " text: is a quote not closed?"
                ) from e
            raise RootstockError(
                f"{unit.file}: cannot be read as delimited text: {e}. {WHOLE}"
            ) from e
        finally:
            # A thread of Arrow reads ahead, also after an error, and holds a Python object. If it
            # lets go of it while the interpreter ends, the process is aborted.
            released.wait(READ_AHEAD_S)

    def _texts(self, column: pa.Array, name: str) -> tuple[pa.Array, list[int]]:
        """A binary column as text with nulls, and the rows that are not valid UTF-8."""
        nulls = self.null_values
        of_column = nulls.get(name, ("",)) if isinstance(nulls, Mapping) else nulls
        return decode(column, of_column, self.strip)

    def _parsed(self, values: pa.Array, field_: pa.Field) -> tuple[pa.Array, dict[int, str]]:
        """Texts as values of the column's type, and why some are not."""
        spelling = self.number_formats.get(field_.name)
        if spelling is None or field_.type == pa.string():
            return parse_column(values, field_.type)
        numbers, fits = plain(values, spelling)
        parsed, reasons = parse_column(numbers, field_.type)
        wrong = pc.and_(pc.is_valid(values), pc.invert(fits))
        for row in pc.indices_nonzero(wrong).to_pylist():
            reasons[row] = f"{values[row].as_py()[:80]!r} is not a number such as {spelling}"
        return parsed, reasons

    def _rows(self, unit: Unit) -> Generator[Row]:
        dialect = Dialect(self.delimiter, self.quote, self.encoding, self.skip_rows)
        return rows_of(unit, dialect)

    def _data_rows(self, unit: Unit) -> Iterator[Row]:
        return islice(self._rows(unit), 0 if self.columns or unit.start else 1, None)

    def _not_closed(self, unit: Unit, width: int) -> dict[int, str]:
        """Why records are wrong that go on after a quote which is not closed, by index among the
        rows with the right number of columns.
        """
        whole = (row for row in self._data_rows(unit) if len(row.values) == width)
        return {i: row.problem for i, row in enumerate(whole) if row.problem}

    def _bad_records(self, unit: Unit, width: int, reasons: dict[int, str]) -> Iterator[BadRecord]:
        """Finds the lines of bad records in a second, slower pass over the unit.

        reasons: by index among the rows with the right number of columns.
        """
        name, index = unit.files[0], 0
        for row in self._data_rows(unit):
            if len(row.values) != width:
                found = f"expected {width} columns, found {len(row.values)}"
                reason = f"{found}; {row.problem}" if row.problem else found
                yield BadRecord(name, row.first, reason, rows=row.lines)
                continue
            if index in reasons:
                yield BadRecord(name, row.first, reasons[index], rows=row.lines)
            index += 1


class _Skip:
    """What Arrow calls for a row with another number of columns, which is appended to `widths`.

    released: is set when nobody holds this object any more.
    """

    def __init__(self, widths: list[int], released: threading.Event) -> None:
        self._widths = widths
        weakref.finalize(self, released.set).atexit = False

    def __call__(self, row: Any) -> str:
        self._widths.append(row.actual_columns)
        return "skip"
