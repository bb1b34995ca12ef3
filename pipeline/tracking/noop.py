"""A tracker that keeps nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.tracking.base import Tracker
from pipeline.tracking.events import Param, Status

if TYPE_CHECKING:
    from pipeline.store.store import Entry


class NoTracker(Tracker):
    """For runs that nobody will ask about."""

    def run_started(
        self,
        name: str,
        experiment: str,
        spec_text: str,
        params: Mapping[str, Param],
        tags: Mapping[str, str],
    ) -> None: ...

    def stage_started(self, stage: str, fingerprint: str) -> None: ...

    def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None: ...

    def stage_finished(self, entry: Entry, cached: bool, seconds: float) -> None: ...

    def stage_failed(self, stage: str, error: str) -> None: ...

    def system(self, values: Mapping[str, float]) -> None: ...

    def run_finished(self, status: Status) -> None: ...
