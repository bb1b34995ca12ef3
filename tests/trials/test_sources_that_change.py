"""Raw files that are replaced, cut, extended, added or removed while ExampleGen reads them.

Whatever happens: nothing is published under the digest of other content. After a change the run
ends with an error that names it, and once the original is back the result is that of the original.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from components.artifacts import SourceFiles
from components.data.digests import digest_tree
from components.errors import RootstockError
from components.ingestion import example_gen
from components.ingestion.example_gen import ExampleGen, ExampleGenInputs
from components.ingestion.readers import Reader, readers
from components.stage import BeamOptions, Context
from pipeline.runner import Runner
from pipeline.store.store import Store
from tests.trials.raw_sources import SOURCES

ONE_WORKER = BeamOptions(options=("direct_num_workers=1",))
Change = Callable[[Path], None]


def replaced(file: Path) -> None:
    """Another file of the same size and time under the same name."""
    info = file.stat()
    other = file.with_name(".other")
    content = file.read_bytes()
    middle = len(content) // 2
    other.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    os.utime(other, ns=(info.st_atime_ns, info.st_mtime_ns))
    other.replace(file)


def written(file: Path) -> None:
    """Other bytes in the same file, with its old time."""
    info = file.stat()
    with open(file, "r+b") as opened:
        content = opened.read()
        opened.seek(len(content) // 3)
        opened.write(bytes([content[len(content) // 3] ^ 1]))
    os.utime(file, ns=(info.st_atime_ns, info.st_mtime_ns))


def put_back(file: Path) -> None:
    """Replaced, and the original moved back at once: only the time of the change shows it."""
    kept = file.with_name(".kept")
    file.rename(kept)
    file.write_bytes(b"")
    kept.replace(file)


def appended(file: Path) -> None:
    with open(file, "ab") as opened:
        opened.write(file.read_bytes()[-40:])


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size * 2 // 3)


def removed(file: Path) -> None:
    file.unlink()


def added(file: Path) -> None:
    shutil.copy(file, file.with_name(f"z{file.name}"))


CHANGES: dict[str, Change] = {
    change.__name__: change
    for change in (replaced, written, put_back, appended, cut, removed, added)
}
OFTEN = ("csv", "image_folder", "parquet")
"""The formats that are tried in every run of the tests."""
MOMENTS = ("before the first unit", "after the first unit")


def generate(reader: Reader, store: Path, between: Callable[[], None] = lambda: None) -> Path:
    """ExampleGen of a source. between: called after its digest was taken."""
    with Runner(Store(store).open(), beam=ONE_WORKER) as run:
        source = SourceFiles.of(reader, store / "sources")
        between()
        stage = ExampleGen(sources=(reader,), max_bad_fraction=0.9)
        return run(stage, ExampleGenInputs((source,))).examples.path


def arm(
    patched: pytest.MonkeyPatch, kind: type[Reader], change: Callable[[], None], moment: str
) -> None:
    """Let a reader's `read` make a change, once."""
    read, pending = kind.read, [change]

    def reading(self: Reader, *given: object) -> Iterator[object]:
        if moment == MOMENTS[0] and pending:
            pending.pop()()
        yield from read(self, *given)  # type: ignore[arg-type]
        if pending:
            pending.pop()()

    patched.setattr(kind, "read", reading)


def restore(original: Path, root: Path) -> None:
    """Make the files below `root` those of `original` again, byte by byte."""
    for copy in original.rglob("*"):
        if copy.is_file():
            shutil.copyfile(copy, root / copy.relative_to(original))
            added = root / copy.relative_to(original).with_name(f"z{copy.name}")
            added.unlink(missing_ok=True)


def test_every_format_is_tried(tmp_path: Path) -> None:
    found = set()
    for name, make in SOURCES.items():
        (tmp_path / name).mkdir()
        found.add(make(tmp_path / name, "good").format)
    assert found == readers().keys()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in OFTEN else pytest.mark.nightly)
        for name in SOURCES
        if name != "sql"
    ],
)
def test_a_file_that_changes_during_the_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, root = tmp_path / "original", tmp_path / "root"
    for folder in (original, root):
        folder.mkdir()
        reader = SOURCES[name](folder, "good")
    expected = digest_tree(generate(reader, tmp_path / "whole"))
    file = sorted(map(Path, reader.state()))[-1]
    tried = 0
    for change, act in CHANGES.items():
        if change == "added" and not Path(reader.path).is_dir():
            continue
        for moment in MOMENTS:
            store = tmp_path / f"{change} {moment}"
            with monkeypatch.context() as patched:
                arm(patched, type(reader), partial(act, file), moment)
                with pytest.raises(RootstockError, match="changed while ExampleGen") as caught:
                    generate(reader, store)
            assert file.name in str(caught.value)
            assert not list(store.glob("ExampleGen/*/artifact.json"))
            restore(original, root)
            assert digest_tree(generate(reader, store)) == expected
            tried += 1
    print(f"{name}: {tried} changes tried, {tried} noticed")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["csv", "image_folder", "image_manifest", "parquet"])
def test_a_file_that_changes_between_its_digest_and_the_run(name: str, tmp_path: Path) -> None:
    original, root = tmp_path / "original", tmp_path / "root"
    for folder in (original, root):
        folder.mkdir()
        reader = SOURCES[name](folder, "good")
    expected = digest_tree(generate(reader, tmp_path / "whole"))
    store = tmp_path / "store"
    with pytest.raises(RootstockError, match="changed while ExampleGen"):
        generate(reader, store, lambda: SOURCES[name](root, "evil") and None)
    restore(original, root)
    assert digest_tree(generate(reader, store)) == expected


def test_what_an_interrupted_attempt_read_is_not_used_if_the_file_changed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, root = tmp_path / "original", tmp_path / "root"
    for folder in (original, root):
        folder.mkdir()
        reader = SOURCES["csv"](folder, "good")
    expected = digest_tree(generate(reader, tmp_path / "whole"))
    store = tmp_path / "store"
    with monkeypatch.context() as patched:
        patched.setattr(ExampleGen, "run", interrupted(ExampleGen.run))
        with pytest.raises(KeyboardInterrupt):
            generate(reader, store, lambda: SOURCES["csv"](root, "evil") and None)
    assert list(store.glob("ExampleGen/.scratch-*/shards/*/*.parquet"))
    restore(original, root)
    assert digest_tree(generate(reader, store)) == expected


def interrupted(run: Callable[..., object]) -> Callable[..., object]:
    """The process is killed after all units are read, before anything is published."""

    def running(self: ExampleGen, inputs: ExampleGenInputs, context: Context) -> object:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(example_gen, "hand_over", lambda *_: kill())
            return run(self, inputs, context)

    running.__annotations__ = run.__annotations__
    return running


def kill() -> None:
    raise KeyboardInterrupt


def test_rows_of_a_query_are_digested_as_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = SOURCES["sql"](tmp_path, "good")
    expected = digest_tree(generate(reader, tmp_path / "whole"))
    for moment in ("digest", *MOMENTS):
        store = tmp_path / moment
        with monkeypatch.context() as patched:

            def change() -> None:
                SOURCES["sql"](tmp_path, "evil")

            if moment in MOMENTS:
                arm(patched, type(reader), change, moment)
            between = change if moment == "digest" else lambda: None
            if moment == MOMENTS[1]:  # the rows that were read are those of the digest
                assert digest_tree(generate(reader, store, between)) == expected
            else:
                with pytest.raises(RootstockError, match="the query gave other rows"):
                    generate(reader, store, between)
                assert not list(store.glob("ExampleGen/*/artifact.json"))
        SOURCES["sql"](tmp_path, "good")
        assert digest_tree(generate(reader, store)) == expected
