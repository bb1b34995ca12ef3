"""A worker that is not the chief trains with it, and reads everything else from the store."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pytest

from components.artifacts import Examples
from components.errors import RootstockError
from components.stage import Context, Stage
from components.training.workers import Workers
from pipeline import follower
from pipeline.agreement import Agreement
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


@dataclass
class Texts:
    """A board for workers in threads."""

    texts: dict[str, str] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def write(self, name: str, text: str) -> None:
        with self.changed:
            self.texts[name] = text
            self.changed.notify_all()

    def read(self, name: str, seconds: float) -> str | None:
        with self.changed:
            self.changed.wait_for(lambda: name in self.texts, seconds)
            return self.texts.get(name)


@contextmanager
def two(wait_s: float = 60) -> Iterator[tuple[Agreement, Agreement]]:
    """The chief, which can be reached, and another worker."""
    board = Texts()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        addresses = f"127.0.0.1:{listener.getsockname()[1]}", "127.0.0.1:1"
        chief, other = (Agreement(Workers(addresses, i), board, wait_s) for i in (0, 1))
        yield chief, other


def together(
    agreements: tuple[Agreement, Agreement],
    stores: tuple[Store, Store],
    stages: tuple[Alone, Alone],
) -> list[Made | str]:
    """What the chief and the other worker get, or the error of each."""
    found: list[Made | str] = ["", ""]

    def run(index: int) -> None:
        kind = Follower if index else Runner
        with kind(stores[index], agreement=agreements[index]) as worker:
            try:
                found[index] = worker(stages[index], Nothing())
            except RootstockError as error:
                found[index] = str(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize(("stage", "runs"), [(Alone, 1), (Together, 2)])
def test_it_runs_only_what_all_workers_run(stage: type[Alone], runs: int, tmp_path: Path) -> None:
    made, store = stage(str(tmp_path / "counter")), Store(tmp_path / "store")
    with two() as agreements:
        chief, other = together(agreements, (store, store), (made, made))
        assert chief == other
        assert isinstance(chief, Made)
        assert Path(made.counter).stat().st_size == runs
        assert together(agreements, (store, store), (made, made)) == [chief, chief]  # cached
    assert Path(made.counter).stat().st_size == runs


def test_the_chief_decides_whether_a_result_is_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "BETWEEN_LOOKS_S", 0.0)
    made = Together(str(tmp_path / "counter"))
    full, empty, also = (Store(tmp_path / name) for name in ("full", "empty", "also"))
    with Runner(full) as run:
        run(made, Nothing())
    with two() as agreements:
        chief, other = together(agreements, (full, empty), (made, made))
    assert isinstance(chief, Made)
    assert str(other).startswith("worker 2 of 2 (127.0.0.1:1): the chief (127.0.0.1:")
    assert "but it is not in" in str(other)
    with two() as agreements:  # the other one, which has a result, runs too
        chief, other = together(agreements, (also, full), (made, made))
    assert isinstance(chief, Made)
    assert isinstance(other, Made)
    assert Path(made.counter).stat().st_size == 1 + 2


def test_workers_that_would_run_something_else_are_refused(tmp_path: Path) -> None:
    made, store = Together(str(tmp_path / "counter")), Store(tmp_path / "store")
    unlike = replace(made, counter=str(tmp_path / "unlike"))
    with two() as agreements:
        chief, other = together(agreements, (store, store), (made, unlike))
    expected = "worker 2 of 2 (127.0.0.1:1) would run another Together than the chief: parameter"
    assert f"{expected} counter." in str(chief)
    assert f"{expected} counter." in str(other)
    assert not list(tmp_path.glob("*/Together/*"))


def test_a_worker_that_does_not_come_is_named(tmp_path: Path) -> None:
    made, store = Together(str(tmp_path / "counter")), Store(tmp_path / "store")
    expected = r"worker 2 of 2 \(127\.0\.0\.1:1\) has not come to Together within 0 s"
    with (
        two(wait_s=0.0) as (chief, other),
        Runner(store, agreement=chief) as run,
        pytest.raises(RootstockError, match=expected),
    ):
        run(made, Nothing())
    with (
        two(wait_s=0.0) as (chief, other),
        Follower(store, agreement=other) as late,
        pytest.raises(RootstockError, match=r"the chief .* has not come to Together within 0 s"),
    ):
        late(made, Nothing())


def test_it_ends_when_the_chief_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "BETWEEN_LOOKS_S", 0.0)
    with two() as (_, other):
        chief = other.workers.chief
    made = Alone(str(tmp_path / "counter"))
    with (
        Follower(Store(tmp_path / "store"), agreement=other) as worker,
        pytest.raises(RootstockError, match=f"the chief \\({chief}\\) has ended without a result"),
    ):
        worker(made, Nothing())
    assert not Path(made.counter).exists()
