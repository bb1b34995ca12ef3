"""How a run tells what happens. Nothing that a tracker does changes a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.tracking.events import Param, Status

if TYPE_CHECKING:
    from pipeline.store.store import Entry


class Tracker(ABC):
    """Listens to one run. Methods may be called from several threads; none of them raises."""

    @abstractmethod
    def run_started(
        self,
        name: str,
        experiment: str,
        spec_text: str,
        params: Mapping[str, Param],
        tags: Mapping[str, str],
    ) -> None:
        """The run of the pipeline `name` begins; its model will be registered under that name.

        experiment: groups runs. spec_text: the spec file as it was used.
        """

    @abstractmethod
    def stage_started(self, stage: str, fingerprint: str) -> None:
        """A stage begins, or is about to be found in the cache."""

    @abstractmethod
    def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Figures of one step of a series, for example of an epoch."""

    @abstractmethod
    def stage_finished(self, entry: Entry, cached: bool, seconds: float) -> None:
        """The results of a stage are published, now or by an earlier run. seconds: spent now."""

    @abstractmethod
    def stage_failed(self, stage: str, error: str) -> None:
        """A stage ended without a result."""

    @abstractmethod
    def system(self, values: Mapping[str, float]) -> None:
        """A sample of what the machine is doing."""

    @abstractmethod
    def run_finished(self, status: Status) -> None:
        """Nothing more will be told."""
