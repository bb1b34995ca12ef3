"""Whether the files of results are those that their stages wrote.

A cached result is used only if its files still have the sizes and times that they had when their
content was last compared with the record: that costs no more than calls of `stat`. Files whose
times have changed, for example because the store was copied, are read again. What a running stage
takes as its input is read once by each process, before the stage reads it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from components.artifacts import Artifact
from components.data.atomic import write_whole
from pipeline.store.unchanged_sources import STATE as SOURCES_STATE
from serving.manifest import Depth, Manifest, differences

CHECKED = "checked.json"
"""In the directory of a result: the times at which its files were as recorded."""
STATE = "inputs.json"
"""The stamps of the inputs at the start of an attempt, in its scratch directory."""
Stamp = tuple[int, int, int]
"""Size, time of modification and time of change of a file, in ns."""
SETTLED_NS, SETTLED_COARSE_NS = 20_000_000, 2_000_000_000
"""A file that changed this shortly ago may change again within a tick of the file system's clock,
and so without a new time. Ticks are of 10 ms at most, or of 2 s where times are whole seconds."""


def damage(entry: Path, outputs: Mapping[str, Manifest], whole: bool) -> list[str]:
    """How the outputs of a published result differ from what was recorded, one phrase per file.

    whole: read all files, also those whose times have not changed, and compare their SHA-256.
    """
    known = read_stamps(entry)
    new: dict[str, Stamp] = {}
    phrases = []
    for output, files in outputs.items():

        def unchanged(name: str, info: os.stat_result, output: str = output) -> bool:
            path = f"{output}/{name}"
            if _settled(info):
                new[path] = _stamp(info)
            return not whole and known.get(path) == _stamp(info)

        depth: Depth = "digests" if whole else "checksums"
        found = differences(entry / output, files, depth, unchanged)
        phrases += [f"{output}: {phrase}" for phrase in found]
    if not phrases and new != known:
        write_stamps(entry, new)
    return phrases


def stamps_of(directory: Path) -> dict[str, Stamp]:
    """The present stamps of the files below a directory, by relative path."""
    stamps = {}
    for parent, _, names in os.walk(directory, followlinks=True):
        for name in names:
            path = os.path.join(parent, name)
            with contextlib.suppress(OSError):
                stamps[os.path.relpath(path, directory)] = _stamp(os.stat(path))
    return stamps


def settled_stamps(entry: Path, outputs: Mapping[str, Manifest]) -> dict[str, Stamp]:
    """The stamps of the files of a result that has just been read, where they can be trusted."""
    found = {}
    for output, files in outputs.items():
        for name in files:
            info = os.stat(entry / output / name)
            if _settled(info):
                found[f"{output}/{name}"] = _stamp(info)
    return found


def read_stamps(entry: Path) -> dict[str, Stamp]:
    try:
        content = json.loads((entry / CHECKED).read_text())
        return {name: (stamp[0], stamp[1], stamp[2]) for name, stamp in content.items()}
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return {}


def write_stamps(entry: Path, stamps: Mapping[str, Stamp]) -> None:
    """Remember stamps. Where that is not possible, the files are read again the next time."""
    with contextlib.suppress(OSError):
        write_whole(entry / CHECKED, json.dumps(stamps))


class InputCheck:
    """Reads the inputs of stages, each once per process as long as nothing in them changes."""

    def __init__(self) -> None:
        self._whole: dict[Path, dict[str, Stamp]] = {}

    def damage(self, artifact: Artifact, files: Manifest) -> list[str]:
        """How an artifact of a store differs from its record, one phrase per file."""
        before = stamps_of(artifact.path)
        if self._whole.get(artifact.path) == before:
            return []
        phrases = differences(artifact.path, files, "checksums")
        if not phrases:
            self._whole[artifact.path] = before
        return phrases


def _stamp(info: os.stat_result) -> Stamp:
    return info.st_size, info.st_mtime_ns, info.st_ctime_ns


def _settled(info: os.stat_result) -> bool:
    changed = max(info.st_mtime_ns, info.st_ctime_ns)
    whole_seconds = info.st_mtime_ns % 1_000_000_000 == 0 == info.st_ctime_ns % 1_000_000_000
    return time.time_ns() - changed > (SETTLED_COARSE_NS if whole_seconds else SETTLED_NS)


def continue_only_on(inputs: Sequence[Artifact], scratch: Path, forget: Callable[[], None]) -> None:
    """Empty the scratch directory of an interrupted attempt if its inputs are not as it found them.

    They may have been damaged then, and made again since. forget: deletes what it kept elsewhere.
    """
    state = {str(a.path): {n: list(s) for n, s in stamps_of(a.path).items()} for a in inputs}
    file = scratch / STATE
    known = file.exists()  # else this machine made no attempt, and may go on from another one's
    try:
        same = json.loads(file.read_text()) == state
    except (FileNotFoundError, ValueError):
        same = not state
    if not same:
        for path in scratch.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != SOURCES_STATE:
                path.unlink()
        if known:
            forget()
        write_whole(file, json.dumps(state))
