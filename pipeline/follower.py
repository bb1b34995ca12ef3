"""Runs the pipeline in a worker that is not the chief: see `components.training.workers`."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.errors import RootstockError
from components.stage import Context, Stage
from components.training.workers import Workers
from pipeline.agreement import Agreement
from pipeline.runner import I, Runner, StageObserver, artifacts_in
from pipeline.store.entry import Entry
from pipeline.store.fingerprint import Identity
from serving.manifest import shortened

BETWEEN_LOOKS_S = 0.5
LOOKS_FOR_CACHED = 20
PATIENCE = 5
"""Looks without an answer of the chief, after which it counts as gone."""


@dataclass
class Follower(Runner):
    """Takes part in the stages that train, and waits until the chief has published all results."""

    agreement: Agreement = field(kw_only=True)

    @property
    def workers(self) -> Workers:
        return self.agreement.workers

    def __enter__(self) -> Follower:
        return self

    def _agreed(
        self, identity: Identity, agreement: Agreement, entry: Entry | None
    ) -> Entry | None:
        if not agreement.decide(identity, entry is not None):
            return None
        for _ in range(LOOKS_FOR_CACHED):  # a disk in a network may show new files late
            if entry is not None or (entry := self.store.find(identity)) is not None:
                return entry
            time.sleep(BETWEEN_LOOKS_S)
        raise RootstockError(
            f"{self.workers}: the chief ({self.workers.chief}) has a result of {identity.stage} in"
            f" its store, but it is not in {self.store.root}. All workers need the same `store`."
        )

    def _produce(self, stage: Stage[I, Any], inputs: I, identity: Identity, retries: int) -> Entry:
        if stage.on_all_workers:
            for artifact in artifacts_in(inputs):
                if damage := self._damage(artifact):
                    raise RootstockError(
                        f"{self.workers}: {artifact.place} is damaged here: {shortened(damage)}."
                        " Start all workers again with the same command."
                    )
            with tempfile.TemporaryDirectory(prefix="rootstock-worker-") as place:
                output, scratch = Path(place, "output"), Path(place, "scratch")
                output.mkdir()
                scratch.mkdir()
                observer = StageObserver(identity.stage, self.tracker, self.display)
                stage.run(inputs, Context(output, scratch, self.beam, observer))
        missed = 0
        while (entry := self.store.find(identity)) is None:
            missed = 0 if self.workers.chief_answers() else missed + 1
            if missed > PATIENCE:
                raise RootstockError(
                    f"{self.workers}: the chief ({self.workers.chief}) has ended without a result"
                    f" of {identity.stage}. See what it says, and whether {self.store.root} is the"
                    " same store for both. Then start all workers again."
                )
            time.sleep(BETWEEN_LOOKS_S)
        return entry
