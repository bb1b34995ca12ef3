"""When the files of a result are read, and when their times are enough."""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from components.artifacts import Examples
from pipeline.store.integrity import CHECKED, SETTLED_NS, continue_only_on, damage, read_stamps
from pipeline.store.unchanged_sources import STATE as SOURCES_STATE
from serving import manifest
from serving.manifest import Manifest, manifest_of

Reads = list[str]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """The names of the files that were read."""
    read: Reads = []
    original = manifest._has_content

    def spy(file: Path, *others: object) -> bool:
        read.append(file.name)
        return original(file, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(manifest, "_has_content", spy)
    return read


@pytest.fixture
def outputs(tmp_path: Path) -> dict[str, Manifest]:
    """The manifest of an output of two files, which were written a while ago."""
    (tmp_path / "model").mkdir()
    for name in "ab":
        (tmp_path / "model" / name).write_text(name)
    time.sleep(2 * SETTLED_NS / 1e9)
    return {"model": manifest_of(tmp_path / "model")}


def _touch(file: Path) -> None:
    os.utime(file)


def _replace_keeping_times(file: Path) -> None:
    info = file.stat()
    file.write_text("z")
    os.utime(file, ns=(info.st_atime_ns, info.st_mtime_ns))


def test_files_are_read_once(tmp_path: Path, outputs: dict[str, Manifest], reads: Reads) -> None:
    for _ in range(3):
        assert damage(tmp_path, outputs, whole=False) == []
    assert reads == ["a", "b"]
    assert damage(tmp_path, outputs, whole=True) == []
    assert reads == ["a", "b"] * 2
    (tmp_path / CHECKED).write_text("{}")
    assert damage(tmp_path, outputs, whole=False) == []
    assert reads == ["a", "b"] * 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [(_touch, []), (_replace_keeping_times, ["model: the content of a has changed"])],
)
def test_a_file_with_new_times_is_read(
    tmp_path: Path,
    outputs: dict[str, Manifest],
    reads: Reads,
    change: Callable[[Path], None],
    expected: list[str],
) -> None:
    damage(tmp_path, outputs, whole=False)
    change(tmp_path / "model/a")
    assert damage(tmp_path, outputs, whole=False) == expected
    assert reads == ["a", "b", "a"]


def test_a_file_that_was_written_just_now_is_read_again(
    tmp_path: Path, outputs: dict[str, Manifest], reads: Reads
) -> None:
    later = time.time_ns() + 3_600_000_000_000
    os.utime(tmp_path / "model/a", ns=(later, later))
    for _ in range(2):
        assert damage(tmp_path, outputs, whole=False) == []
    assert reads == ["a", "b", "a"]
    assert read_stamps(tmp_path).keys() == {"model/b"}


@pytest.mark.parametrize("text", ["", "[]", '{"model/a": 1}', '{"model/a": [1]}'])
def test_a_damaged_note_is_no_note(
    tmp_path: Path, outputs: dict[str, Manifest], reads: Reads, text: str
) -> None:
    (tmp_path / CHECKED).write_text(text)
    assert damage(tmp_path, outputs, whole=False) == []
    assert reads == ["a", "b"]


def test_an_attempt_continues_only_on_the_inputs_that_it_began_with(tmp_path: Path) -> None:
    shard, scratch = tmp_path / "examples/a", tmp_path / "scratch"
    shard.parent.mkdir()
    shard.write_text("damaged")
    (scratch / "parts").mkdir(parents=True)
    (scratch / SOURCES_STATE).write_text("of raw files")
    forgotten = list[bool]()
    elsewhere = partial(forgotten.append, True)
    continue_only_on([], scratch, elsewhere)  # a stage without such inputs
    assert (scratch / "parts").exists()
    for content, kept in (("damaged", False), ("damaged", True), ("mended", False)):
        if shard.read_text() != content:
            shard.write_text(content)
        continue_only_on([Examples(shard.parent)], scratch, elsewhere)
        assert (scratch / "parts").exists() == kept
        (scratch / "parts").mkdir(exist_ok=True)
    assert forgotten == [True], "not by the first attempt, which may go on from another machine's"
    assert (scratch / SOURCES_STATE).exists()
