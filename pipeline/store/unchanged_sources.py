"""Raw files must not change while a stage reads them, because its result is stored under the digest
that they had before.

What is compared: size, times and inode of every file before and after the stage, so that a file
which was replaced and put back is noticed too; and then the digest of the whole content, for file
systems whose times are coarse. Both cost little beside reading and converting the files.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from components.artifacts import SourceFiles
from components.data.atomic import write_whole
from components.data.digests import RawFiles
from components.errors import RootstockError

STATE = "sources.json"
"""The state of the raw files at the start of an attempt, in its scratch directory."""
SHOWN = 3
State = Mapping[str, Sequence[int]]


@contextmanager
def unchanged(
    stage: str, inputs: object, scratch: Path, forget: Callable[[], None]
) -> Iterator[None]:
    """Run a stage on raw files that must stay as they are.

    scratch: of the attempt. An interrupted attempt may have read other content, so what it kept is
        deleted if the files are no longer in the state that it found. forget: deletes what it kept
        elsewhere.

    Raises:
        RootstockError: a file was changed, removed or added. The message names it.
    """
    sources = [source for f in fields(inputs) for source in _sources(getattr(inputs, f.name))]  # type: ignore[arg-type]
    if not sources:
        yield
        return
    for source in sources:
        _ = source.path  # fetches copies that were trimmed
    before = _states(sources)
    _discard_if_changed(scratch, before, forget)
    try:
        yield
    except Exception as error:
        if changes := _changes(before, _states(sources)):
            raise _changed(stage, changes, scratch, forget) from error
        raise
    if changes := _changes(before, _states(sources)):
        raise _changed(stage, changes, scratch, forget)
    for source in sources:
        raw = source.raw
        if raw is not None and raw.state() and raw.digest(None) != source.digest:
            raise _changed(stage, [f"{source.path}: its content has changed"], scratch, forget)


def _sources(value: object) -> Iterator[SourceFiles]:
    for item in value if isinstance(value, tuple) else (value,):
        if isinstance(item, SourceFiles):
            yield item


def _states(sources: Sequence[SourceFiles]) -> dict[str, list[int]]:
    states: dict[str, list[int]] = {}
    for source in sources:
        raw = source.raw or RawFiles(str(source.path))
        states |= {file: list(state) for file, state in raw.state().items()}
    return states


def _changes(before: State, after: State) -> list[str]:
    """One phrase for each file that differs, for people."""
    changes, others = [], []
    for file in sorted(before.keys() | after.keys()):
        if file not in after and os.path.lexists(file):  # its manifest changed, not the file
            others.append(f"{file}: no longer belongs to the source")
        elif file not in after:
            changes.append(f"{file}: was removed")
        elif file not in before:
            changes.append(f"{file}: was added")
        elif (old := before[file]) != (new := after[file]):
            size = f"from {old[0]:,} to {new[0]:,} bytes" if old[0] != new[0] else "in place"
            changes.append(f"{file}: was written or replaced ({size})")
    return changes + others


def _changed(
    stage: str, changes: Sequence[str], scratch: Path, forget: Callable[[], None]
) -> RootstockError:
    _clear(scratch)
    forget()
    more = f"\n  … and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
    listed = "".join(f"\n  {change}" for change in changes[:SHOWN])
    return RootstockError(
        f"Files changed while {stage} read them:{listed}{more}\nNothing was published. Expected"
        " files that stay as they are during a run: wait until they are complete, and run the same"
        " command again."
    )


def _discard_if_changed(scratch: Path, state: State, forget: Callable[[], None]) -> None:
    file = scratch / STATE
    known = file.exists()  # else this machine made no attempt, and may go on from another one's
    try:
        same = json.loads(file.read_text()) == state
    except (FileNotFoundError, ValueError):
        same = False
    if not same:
        _clear(scratch)
        if known:
            forget()
        write_whole(file, json.dumps(state))


def _clear(scratch: Path) -> None:
    for path in scratch.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
