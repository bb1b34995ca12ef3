"""Trials in workers of a Beam runner that do not share this machine's disk.

A worker opens the store by its URL, fetches the inputs of its trial from there into a cache of its
own, and publishes the result there. Nothing else of the driver is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from components.artifacts import Artifact
from components.errors import RootstockError
from components.stage import BeamOptions, Remote
from pipeline.runner import artifacts_in
from pipeline.store.fingerprint import Identity
from pipeline.store.place import local
from pipeline.store.store import Store
from pipeline.study.jobs import Job


def meeting_place(jobs: Sequence[Job], store: Store, beam: BeamOptions) -> Remote | None:
    """Where workers elsewhere leave what `map_units` asks of them; None if they share this disk.

    It has a name of its own for each set of jobs, because workers say by number which are done.
    Inputs that are not in the store, such as the files of a pretrained trunk, are sent there.
    """
    if store.mirror is None or not beam.elsewhere:
        return None
    names = " ".join(job.identity.fingerprint for job in jobs)
    name = hashlib.sha256(names.encode()).hexdigest()[:16]
    read = {a.place: a for job in jobs for a in artifacts_in(job.inputs)}
    sent = tuple(artifact for place, artifact in read.items() if not store.holds(place))
    return Remote(f"{store.mirror.url.rstrip('/')}/Trial/.study-{name}", sent)


@dataclass(frozen=True)
class Moved:
    """A job for another machine. identity: of the job on the driver. root: the directory there of
    its copy of the store at `url`.
    """

    job: Job
    identity: Identity
    root: str
    url: str

    def arrived(self) -> tuple[Job, Store]:
        """The job with inputs in this machine's copy of the store, and the store.

        Raises:
            RootstockError: an input is no longer in the store, or this machine has other code.
        """
        store = Store(local(self.url)).open()
        inputs = self.job.inputs
        here = {f.name: self._here(getattr(inputs, f.name), store) for f in fields(inputs)}
        job = Job(self.job.cell, self.job.stage, replace(inputs, **here), self.job.judged)
        if changes := job.identity.differs_from(self.identity):
            raise RootstockError(
                "A worker of the runner would train another model than the machine that asks:"
                f" {', '.join(changes[:3])}. Expected the same version of Rootstock and of its"
                " packages on both."
            )
        return job, store

    def _here(self, value: Any, store: Store) -> Any:
        if isinstance(value, tuple):
            return tuple(self._here(item, store) for item in value)
        if not isinstance(value, Artifact):
            return value
        if not value.place.is_relative_to(self.root):
            return value  # it was sent to this machine with the job
        place = store.root / value.place.relative_to(self.root)
        entry = store.at(place.parent) or (store.mirror and store.mirror.find(place.parent))
        if not entry:
            raise RootstockError(
                f"{self.url}: {place.parent.relative_to(store.root)} is no longer there. Run the"
                " same command again."
            )
        return replace(value, path=place, origin=store.mirror)


def moved(jobs: Sequence[Job], store: Store) -> list[Moved]:
    """Jobs for workers elsewhere."""
    assert store.mirror is not None
    return [Moved(job, job.identity, str(store.root), store.mirror.url) for job in jobs]
