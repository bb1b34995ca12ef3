"""A worker that is not the chief trains with it, and reads everything else from the store."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from components.artifacts import Examples
from components.errors import RootstockError
from components.stage import Context, Stage
from components.training.workers import Workers
from pipeline import follower
from pipeline.follower import Follower
from pipeline.runner import Runner
from pipeline.store.store import Store


@dataclass(frozen=True)
class Nothing:
    pass


@dataclass(frozen=True)
class Made:
    made: Examples


@dataclass(frozen=True)
class Alone(Stage[Nothing, Made]):
    """Writes a letter into a file outside of the store for each run."""

    counter: str

    def run(self, inputs: Nothing, context: Context) -> Made:
        with open(self.counter, "a") as file:
            file.write("x")
        path = context.output / "made"
        path.mkdir()
        (path / "text").write_text("a result")
        return Made(Examples(path))


@dataclass(frozen=True)
class Together(Alone):
    on_all_workers: ClassVar[bool] = True


@pytest.mark.parametrize(("stage", "runs"), [(Alone, 1), (Together, 2)])
def test_it_runs_only_what_all_workers_run(stage: type[Alone], runs: int, tmp_path: Path) -> None:
    made, store = stage(str(tmp_path / "counter")), Store(tmp_path / "store")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        chief = f"127.0.0.1:{listener.getsockname()[1]}"
        found: list[Made] = []

        def second() -> None:
            with Follower(store, workers=Workers((chief, "127.0.0.1:1"), 1)) as worker:
                found.append(worker(made, Nothing()))

        thread = threading.Thread(target=second)
        thread.start()
        with Runner(store) as run:
            result = run(made, Nothing())
        thread.join()
    assert found == [result]
    assert Path(made.counter).stat().st_size == runs


def test_it_ends_when_the_chief_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "BETWEEN_LOOKS_S", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        chief = f"127.0.0.1:{listener.getsockname()[1]}"
    made = Alone(str(tmp_path / "counter"))
    with (
        Follower(Store(tmp_path / "store"), workers=Workers((chief, "127.0.0.1:1"), 1)) as worker,
        pytest.raises(RootstockError, match=f"the chief \\({chief}\\) has ended without a result"),
    ):
        worker(made, Nothing())
    assert not Path(made.counter).exists()
