"""MLflow's database is complete or absent, and an incomplete one is replaced."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.tracking import database
from pipeline.tracking.client import connect, ensure_experiment
from pipeline.tracking.database import INCOMPLETE, is_incomplete, prepare

# MLflow 3.17 asks SQLAlchemy 2.1 for what that deprecates.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
]


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The content of a new database."""
    file = tmp_path_factory.mktemp("complete") / "mlflow.db"
    prepare(f"sqlite:///{file}")
    assert [p.name for p in file.parent.iterdir() if p.suffix == ".db"] == ["mlflow.db"]
    return file.read_bytes()


@pytest.fixture
def file(tmp_path: Path, complete: bytes) -> Iterator[Path]:
    file = tmp_path / "mlflow.db"
    file.write_bytes(complete)
    return file


def _change(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def _works(file: Path) -> bool:
    client = connect(f"sqlite:///{file}")
    return bool(ensure_experiment(client, "fruit", file.parent / "files"))


def test_a_complete_database_stays(file: Path, complete: bytes) -> None:
    prepare(f"sqlite:///{file}")
    assert file.read_bytes() == complete
    assert _works(file)
    assert not is_incomplete(file)


@pytest.mark.parametrize("how", ["empty", "early", "late"])
def test_an_incomplete_database_is_replaced(file: Path, how: str) -> None:
    if how == "empty":
        file.write_bytes(b"")
    elif how == "early":  # killed while the first tables were made
        file.unlink()
        _change(file, "CREATE TABLE experiments (experiment_id INTEGER)")
    else:  # killed between two migrations
        _change(file, "DROP TABLE trace_info", "UPDATE alembic_version SET version_num = 'x'")
    (file.parent / ".mlflow.db.0123").write_text("left by a killed process")
    assert is_incomplete(file)
    prepare(f"sqlite:///{file}")
    assert not is_incomplete(file)
    assert _works(file)
    assert file.with_name(file.name + INCOMPLETE).exists()
    assert not (file.parent / ".mlflow.db.0123").exists()


def test_a_database_with_runs_is_never_replaced(file: Path) -> None:
    assert _works(file)
    _change(file, "UPDATE alembic_version SET version_num = 'of another version of MLflow'")
    content = file.read_bytes()
    assert not is_incomplete(file)
    prepare(f"sqlite:///{file}")
    assert file.read_bytes() == content


def test_what_is_no_database_is_left_to_mlflow(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    file.write_text("no database " * 1000)
    prepare(f"sqlite:///{file}")
    prepare("http://127.0.0.1:9")
    assert file.read_text().startswith("no database")


def test_nothing_is_left_if_it_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.exceptions import MlflowException

    (tmp_path / "file").write_text("")
    with pytest.raises(MlflowException, match="cannot be made"):
        prepare(f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}")

    def full(engine: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlflow.store.db.utils._initialize_tables", full)
    with pytest.raises(MlflowException, match="No space left"):
        prepare(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".mlflow.db-lock", "file"]
    assert database.PREFIX == "sqlite:///"
