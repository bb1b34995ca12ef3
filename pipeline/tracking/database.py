"""MLflow's SQLite database: it appears with all its tables, or not at all.

MLflow makes a database in about two seconds, in many transactions. If it is interrupted, it refuses
the database for good ("out-of-date database schema"). So a new one is made beside, and renamed; and
one that was left incomplete, and so has never held anything, is replaced.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from components.data.atomic import replacing
from pipeline.store.locks import locked

PREFIX = "sqlite:///"
INCOMPLETE = ".incomplete"
"""Suffix of the name that an incomplete database gets. Nothing reads it."""
_BESIDE = ("-journal", "-wal", "-shm")
"""Suffixes of SQLite's own files beside a database."""
_WAIT_S = 20.0
_HOLDS_DATA = (
    "SELECT 1 FROM runs LIMIT 1",
    "SELECT 1 FROM registered_models LIMIT 1",
    "SELECT 1 FROM experiments WHERE experiment_id != 0 LIMIT 1",
)


def prepare(uri: str) -> None:
    """Make sure that the database at a tracking URI is complete, if it is a file of SQLite.

    Raises:
        MlflowException: it cannot be made.
    """
    if not uri.startswith(PREFIX) or not (name := uri.removeprefix(PREFIX).partition("?")[0]):
        return
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    file = Path(name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with locked(file.with_name(f".{file.name}-lock"), wait=True):
            if not file.exists():
                _make(file)
            elif is_incomplete(file):
                _move_away(file)
                _make(file)
    except (OSError, SQLAlchemyError) as e:
        raise MlflowException(f"The database {file} cannot be made: {e}") from e


def is_incomplete(file: Path) -> bool:
    """Whether MLflow was interrupted when it made this database, and will refuse it."""
    from mlflow.store.db.utils import _get_latest_schema_revision

    with contextlib.closing(sqlite3.connect(file, timeout=_WAIT_S)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")  # waits for a process that writes to it
            tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
            versions = []
            if "alembic_version" in tables:
                versions = database.execute("SELECT version_num FROM alembic_version").fetchall()
            if versions == [(_get_latest_schema_revision(),)]:
                return False
            return not any(_finds(database, query) for query in _HOLDS_DATA)
        except sqlite3.Error:  # it is in use, read-only or no database: MLflow says what is wrong
            return False


def _finds(database: sqlite3.Connection, query: str) -> bool:
    try:
        return database.execute(query).fetchone() is not None
    except sqlite3.OperationalError:  # no such table
        return False


def _make(file: Path) -> None:
    import sqlalchemy
    from mlflow.store.db.utils import _initialize_tables

    for left in file.parent.glob(f".{file.name}.*"):
        left.unlink()  # by a process that was killed
    with replacing(file) as new:
        engine = sqlalchemy.create_engine(f"{PREFIX}{new}")
        try:
            _initialize_tables(engine)
        finally:
            engine.dispose()
            for suffix in _BESIDE:
                new.with_name(new.name + suffix).unlink(missing_ok=True)


def _move_away(file: Path) -> None:
    """Rename a database. SQLite must not find its journal beside the next one."""
    file.replace(file.with_name(file.name + INCOMPLETE))
    for suffix in _BESIDE:
        file.with_name(file.name + suffix).unlink(missing_ok=True)
