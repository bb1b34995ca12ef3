"""The rows of a SQL query, from any database that SQLAlchemy supports."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from components.data.digests import RawFiles
from components.data.lazy import pa
from components.errors import RootstockError
from components.ingestion.columns import check_columns
from components.ingestion.readers.base import BadRecord, Reader, Unit
from components.ingestion.readers.records import Record, batches, infer_schema, stored_value
from components.ingestion.readers.text_values import ColumnType, declared_types
from models.masked_url import without_secrets

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

INFER_ROWS = 1000
FETCH_ROWS = 4096


@dataclass(frozen=True, kw_only=True)
class SqlReader(Reader):
    """The result of a query.

    path: the URL of the database, such as `sqlite:///shop.db` or
        `postgresql+psycopg://me:${PASSWORD}@host/shop` with the password in an environment
        variable.
    query: a SELECT statement. Use `ORDER BY` with unique values, because the order of rows counts.
    types: by column: int, float, bool or string. For columns whose type cannot be inferred from the
        first 1,000 rows.
    """

    format: Literal["sql"] = "sql"
    digested_as_read: ClassVar[bool] = True
    query: Annotated[str, Field(min_length=1)]
    types: Mapping[str, ColumnType] = field(default_factory=dict)

    def with_absolute_path(self, base: str) -> SqlReader:
        """SQLite files are resolved against `base`; other URLs do not change."""
        url = self._url()
        file = url.database or ":memory:"
        if url.get_backend_name() != "sqlite" or file.startswith((":", "file:")):
            return self
        database = os.path.normpath(os.path.join(base, file))
        return self.at(url.set(database=database).render_as_string(False))

    @property
    def files(self) -> RawFiles:
        """None: rows are read from the database."""
        return RawFiles(self.path)

    def digest(self, index: Path | None) -> str:
        """The digest of the rows, because databases do not tell whether they changed."""
        total = hashlib.sha256()
        for _ in self._digested(self._rows(), total):
            pass
        return total.hexdigest()

    def out_of_reach(self) -> str:
        if self._url().get_backend_name() != "sqlite":
            return ""
        return (
            f"{self.place}: is a file on this machine, and the workers of the runner may be on"
            " others. Use a database that they can connect to, or copy its rows to a file in the"
            " bucket of the store, or leave out --runner."
        )

    def state(self) -> Mapping[str, Sequence[int]]:
        return {}

    def units(self, root: Path) -> list[Unit]:
        return [Unit("", (self.place,))]

    def schema(self, root: Path) -> pa.Schema:
        first = list(islice(self._rows(), INFER_ROWS))
        if not first:
            raise RootstockError(f"{self.place}: the query returns no rows: {self.query}")
        return self._schema_of(first)

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        """Rows are digested as they are read, because nothing else tells that they changed."""
        total = hashlib.sha256()
        rows = self._digested(self._rows(), total)
        first = list(islice(rows, INFER_ROWS))
        if unit.digest and (not first or self._schema_of(first) != schema):
            raise self._changed()
        records = (Record(position, row) for position, row in enumerate(chain(first, rows), 1))
        yield from batches(records, schema, self.place, "row")
        if unit.digest and total.hexdigest() != unit.digest:
            raise self._changed()

    def _schema_of(self, first: Sequence[Mapping[str, object]]) -> pa.Schema:
        inferred = infer_schema(first)
        check_columns("types", self.types, inferred.names, self.place)
        types = {field.name: field.type for field in inferred}
        return pa.schema(types | declared_types(self.types))

    def _digested(
        self, rows: Iterator[dict[str, object]], total: hashlib._Hash
    ) -> Iterator[dict[str, object]]:
        for row in rows:
            total.update(repr(list(row.items())).encode())
            yield row

    def _changed(self) -> RootstockError:
        return RootstockError(
            f"{self.place}: the query gave other rows, or the same in another order, than when its"
            " digest was computed. Nothing was published. Expected rows that stay as they are"
            " during a run, and a query with `ORDER BY` and unique values. Run the same command"
            " again."
        )

    def _rows(self) -> Iterator[dict[str, object]]:
        from sqlalchemy import create_engine, text
        from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

        try:
            engine = create_engine(self._url())
            with contextlib.closing(engine.connect()) as connection:
                streaming = connection.execution_options(stream_results=True, yield_per=FETCH_ROWS)
                for row in streaming.execute(text(self.query)).mappings():
                    yield {name: stored_value(value) for name, value in row.items()}
            engine.dispose()
        except (NoSuchModuleError, ModuleNotFoundError) as e:
            problem = f"{without_secrets(str(e))}. Install the driver of this database."
            raise RootstockError(f"{self.place}: {problem}") from e
        except SQLAlchemyError as e:
            raise RootstockError(f"{self.place}: {without_secrets(str(e))}") from e

    def _url(self) -> URL:
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            return make_url(self.path.reveal())
        except (ArgumentError, ValueError) as e:  # its message may contain the password
            masked = "://" in self.path or not set("@=") & set(self.path)
            shown = self.path if masked else "path"
            raise RootstockError(
                f"{shown}: is no database URL. Expected, for example, sqlite:///shop.db."
            ) from e
