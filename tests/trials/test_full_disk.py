"""Disks that are full at some point of store and push: an error that says so, and nothing half."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from components.artifacts import Examples
from components.errors import DISK_FULL, RootstockError
from components.stage import Context, Stage
from pipeline.display import LineDisplay
from pipeline.runner import Runner
from pipeline.store.store import Store
from serving.versions.directory import Directory
from tests.small_disk import enlarge, small_disk

SIZES = [f"{size}k" for size in range(4, 132, 8)]
FILES, BYTES = 5, 12_000


@dataclass(frozen=True)
class Nothing:
    pass


@dataclass(frozen=True)
class Made:
    made: Examples


@dataclass(frozen=True)
class Make(Stage[Nothing, Made]):
    def run(self, inputs: Nothing, context: Context) -> Made:
        path = context.output / "made"
        write(path)
        return Made(Examples(path))


def write(path: Path) -> None:
    path.mkdir()
    for number in range(FILES):
        (path / str(number)).write_bytes(bytes([number]) * BYTES)


def make(root: Path) -> Made:
    with Runner(Store(root), display=LineDisplay(io.StringIO())) as run:
        return run(Make(), Nothing())


def test_the_store(tmp_path: Path) -> None:
    full = 0
    for size in SIZES:
        with small_disk(tmp_path / size, size) as disk:
            try:
                make(disk / "store")
            except RootstockError as e:
                full += 1
                assert "no space left on this disk" in str(e)
                assert list(Store(disk / "store").entries()) == []
            enlarge(disk)
            made = make(disk / "store").made
            assert [len(p.read_bytes()) for p in sorted(made.path.iterdir())] == [BYTES] * FILES
            assert [p.name for p in (disk / "store/Make").iterdir() if p.name[0] == "."] == []
    assert 8 <= full < len(SIZES)


def test_a_push(tmp_path: Path) -> None:
    full = 0
    write(tmp_path / "saved")
    for size in SIZES:
        with small_disk(tmp_path / size, size) as disk:
            place = Directory(disk / "served")
            try:
                place.push("m", tmp_path / "saved", "digest")
            except OSError as e:
                full += 1
                assert e.errno in DISK_FULL
                assert place.history("m") == {}
            enlarge(disk)
            version = place.push("m", tmp_path / "saved", "digest")
            assert place.damage("m", version, "digests") == []
            assert list(place.history("m")) == [version]
    assert 8 <= full < len(SIZES)
