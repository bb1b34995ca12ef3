"""What a tracker is: it gets the events of one run, and no event changes the run.

`JournalTracker` (`journal.py`) writes them to disk while the run goes on; `MlflowTracker`
(`mlflow.py`) sends them to MLflow, from another process; `NoTracker` drops them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from pipeline.tracking.events import Event


class Tracker(ABC):
    """Receives the events of one run, in order."""

    @abstractmethod
    def record(self, event: Event) -> None:
        """Keep one event. Several threads may call this at once.

        A tracker that the run itself calls does not raise, except to end the training of a trial
        (`pipeline.tune.trial.Pruning`).
        """


class NoTracker(Tracker):
    """For runs without a record."""

    def record(self, event: Event) -> None:
        return
