"""The copy of a checkpoint behind a URL, from which a machine with an empty disk resumes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from components.data.atomic import replacing
from components.data.objects import Objects
from components.errors import RootstockError
from components.stage import WORK, Context, Observer, Remote
from models.masked_url import MaskedUrl


@dataclass(frozen=True)
class StoredCopy:
    """remote: where the stage keeps what only it needs."""

    remote: Remote
    observer: Observer

    @classmethod
    def of(cls, context: Context) -> StoredCopy | None:
        """None if the store is a directory, in which the checkpoint itself is."""
        return None if context.remote is None else cls(context.remote, context.observer)

    def write(self, file: Path) -> None:
        """Replace the copy. Training goes on if that fails."""
        self.remote.work.add(file.name)
        try:
            Objects(MaskedUrl(self.remote.url)).upload({f"{WORK}/{file.name}": file})
        except (RootstockError, FileNotFoundError) as e:
            self.observer.warn(f"the checkpoint is on this machine only: {e}")

    def fetch(self, file: Path) -> None:
        """Write the file, if there is a copy."""
        with contextlib.suppress(FileNotFoundError), replacing(file) as new:
            Objects(MaskedUrl(self.remote.url)).download({f"{WORK}/{file.name}": new})
        if file.exists():
            self.remote.work.add(file.name)
