"""Runs stages: looks up cached results, publishes new ones, and reports to display and tracker.

A damaged result is not used: its stage runs again. The inputs of a stage are checked before it
reads them, and again before its outputs are published.

A pipeline is a plain function that calls `run(stage, inputs)` and gets typed outputs.
"""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from components.artifacts import Artifact
from components.beam.by_url import finish, forget
from components.errors import RootstockError
from components.stage import BeamOptions, Context, Remote, Stage
from components.training.workers import workers_from
from models.masked_url import without_secrets
from pipeline.agreement import Agreement
from pipeline.display import Display, LineDisplay, StageResult
from pipeline.phases import Reached, is_after
from pipeline.store.entry import NO_RECORD, Entry
from pipeline.store.fingerprint import Identity, identify
from pipeline.store.integrity import InputCheck, continue_only_on
from pipeline.store.mirror import Withdrawn
from pipeline.store.store import Store
from pipeline.store.unchanged_sources import unchanged
from pipeline.tracking import events
from serving.manifest import shortened

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


@dataclass
class StageObserver:
    """Forwards the reports of one stage to display and tracker, and keeps its figures."""

    stage: str
    tracker: events.Tracker
    display: Display
    figures: dict[str, float | int | str] = field(default_factory=dict)

    def progress(self, done: int, total: int | None, unit: str, note: str = "") -> None:
        self.display.progress(self.stage, done, total, unit, note)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.tracker.record(events.StageMetrics(stage=self.stage, step=step, values=values))

    def figure(self, name: str, value: float | int | str) -> None:
        self.figures[name] = value

    def warn(self, message: str) -> None:
        self.display.warning(f"  {self.stage}: warning: {message}")


@dataclass
class Runner:
    """Runs each stage at most once per fingerprint.

    retries: number of further attempts if a stage fails, unless the user has to solve the problem.
    explain: for every stage that runs, show what changed since its last result.
    agreement: with the workers that train together, of which this one is the chief.
    ends: when a training with `training.seconds` ends at the latest, as of `time.monotonic`.
    until: the last stage to run, in the order of `pipeline.phases`; all when absent.
    """

    store: Store
    tracker: events.Tracker = field(default_factory=events.NoTracker)
    display: Display = field(default_factory=LineDisplay)
    beam: BeamOptions = field(default_factory=BeamOptions)
    retries: int = 0
    explain: bool = False
    agreement: Agreement | None = None
    ends: float = math.inf
    until: str | None = None
    results: list[StageResult] = field(default_factory=list)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4))
    _started: list[Future[Any]] = field(default_factory=list)
    _order: threading.Lock = field(default_factory=threading.Lock)
    _inputs: InputCheck = field(default_factory=InputCheck)
    _makers: dict[Path, Callable[[Sequence[str]], object]] = field(default_factory=dict)

    def __enter__(self) -> Runner:
        self.store.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def start(self, stage: Stage[I, O], inputs: I) -> Future[O]:
        """Run a stage in the background; its outputs are `start(...).result()`.

        Raises:
            Reached: the stage comes after `until`.
        """
        self._end_before(stage)
        # `identify` runs here: CPython 3.11 cannot parse source code in two threads (gh-106905)
        future = self._pool.submit(self._run, stage, inputs, identify(stage, inputs))
        self._started.append(future)
        return future

    def __call__(self, stage: Stage[I, O], inputs: I) -> O:
        """The outputs of a stage: from the store if it has run on these inputs before.

        Raises:
            RootstockError: the stage rejected its inputs, or the store cannot be written.
            Reached: the stage comes after `until`.
        """
        self._end_before(stage)
        return self._run(stage, inputs, identify(stage, inputs))

    def _end_before(self, stage: Stage[Any, Any]) -> None:
        """Raises Reached if the stage is not wanted any more, and before it what a stage in the
        background has raised.
        """
        if is_after(type(stage).__name__, self.until):
            for future in self._started:
                future.result()
            raise Reached

    def _run(
        self, stage: Stage[I, O], inputs: I, identity: Identity, damage: Sequence[str] = ()
    ) -> O:
        """damage: what was found damaged in the result, if it was removed for that."""
        if damage and stage.on_all_workers and workers_from() is not None:
            raise RootstockError(
                f"The result of {identity.stage} is damaged: {shortened(damage)}. All workers make"
                " it together: start all of them again with the same command."
            )
        began = time.monotonic()
        entry = self._cached(stage, identity)
        if entry is not None and entry.path in self._makers:  # models of an ensemble share stages
            return entry.load(_outputs_type(stage))
        if self.agreement is not None and stage.on_all_workers:
            entry = self._agreed(identity, self.agreement, entry)
        cached = entry is not None
        started = events.StageStarted(stage=identity.stage, fingerprint=identity.fingerprint)
        self.tracker.record(started)
        if entry is None:
            damage = damage or self.store.damage(identity)
            if damage:
                lost = f"the cached result is damaged and is made again: {shortened(damage)}"
                self.display.alert(f"{identity.stage}: {lost}")
            if self.explain:
                why = "is damaged" if damage else self._why(identity)
                self.display.line(f"{identity.stage}: {why}")
            self.display.line(f"{identity.stage}: running")
            try:
                retries = 0 if self._together(stage) else self.retries
                entry = self._produce(stage, inputs, identity, retries)
            except BaseException as error:
                reason = without_secrets(f"{type(error).__name__}: {error}")
                self.tracker.record(events.StageFailed(stage=identity.stage, error=reason))
                raise
            finally:
                self.display.finished(identity.stage)
        seconds = time.monotonic() - began
        self.display.line(f"{identity.stage}: {'cached' if cached else f'done in {seconds:.1f} s'}")
        self.tracker.record(events.StageFinished.of(entry, cached, seconds))
        figures = tuple(entry.figures.items())
        result = StageResult(
            identity.stage, cached, seconds, figures, entry.path, damaged=bool(damage)
        )
        with self._order:
            self.results.append(result)
            self._makers[entry.path] = partial(self._run, stage, inputs, identity)
        return entry.load(_outputs_type(stage))

    def _cached(self, stage: Stage[Any, Any], identity: Identity) -> Entry | None:
        """The cached result, unless it is damaged or an effect outside of the store is gone."""
        entry = self.store.find(identity)
        return entry if entry is not None and self._is_valid(stage, entry) else None

    def _agreed(
        self, identity: Identity, agreement: Agreement, entry: Entry | None
    ) -> Entry | None:
        """The cached result, if all workers use it. entry: what is in the store."""
        return entry if agreement.decide(identity, entry is not None) else None

    def _together(self, stage: Stage[Any, Any]) -> bool:
        """Whether other workers run the stage with this one, so that they must not be left alone:
        also if another machine has published its result by now.
        """
        return self.agreement is not None and stage.on_all_workers

    def _is_valid(self, stage: Stage[Any, Any], entry: Entry) -> bool:
        return stage.still_valid(entry.load(_outputs_type(stage)))

    def _produce(self, stage: Stage[I, Any], inputs: I, identity: Identity, retries: int) -> Entry:
        try:
            return self._attempt(stage, inputs, identity)
        except Exception as error:
            if isinstance(error, RootstockError) or retries == 0:
                raise
            self.display.line(f"{identity.stage}: {error!r}; trying again")
        return self._produce(stage, inputs, identity, retries - 1)

    def _attempt(self, stage: Stage[I, Any], inputs: I, identity: Identity) -> Entry:
        for artifact in artifacts_in(inputs):
            self._mend(artifact)
        with self.store.attempt(identity) as place:
            entry = self.store.find(identity)
            if entry is not None and self._is_valid(stage, entry):
                if not self._together(stage):
                    return entry  # another process produced it while this one waited
                entry = None  # it stays, and all workers adopt it in the end
            else:
                self.store.discard(self.store.place(identity))
            self.store.check()
            observer = StageObserver(identity.stage, self.tracker, self.display)
            began = time.monotonic()
            remote = self._remote(identity, inputs)
            context = Context(place.output, place.scratch, self.beam, observer, self.ends, remote)
            lose = partial(_forget, remote)
            with (
                unchanged(identity.stage, inputs, place.scratch, lose),
                self._unchanged(identity.stage, inputs, lose),
            ):
                inside = [a for a in artifacts_in(inputs) if self.store.holds(a.place)]
                continue_only_on(inside, place.scratch, lose)
                outputs = stage.run(inputs, context)
            seconds = time.monotonic() - began
            known = observer.figures, seconds, entry, remote.uploaded if remote else ()
            entry = self.store.publish(identity, place, outputs, *known)
            if remote is not None:
                finish(remote)
            return entry

    def _remote(self, identity: Identity, inputs: object) -> Remote | None:
        if self.store.mirror is None:
            return None
        url = self.store.mirror.entry_url(self.store.place(identity))
        return Remote(url, tuple(artifacts_in(inputs)))

    @contextlib.contextmanager
    def _unchanged(self, stage: str, inputs: object, forget: Callable[[], None]) -> Iterator[None]:
        """Raises RootstockError if an input changes in the block, also instead of other errors.

        forget: deletes what the attempt keeps outside of its scratch directory.
        """
        failure: Exception | None = None
        try:
            yield
        except Exception as e:
            failure = e
        for artifact in artifacts_in(inputs):
            if changes := self._damage(artifact):
                forget()
                raise RootstockError(
                    f"{artifact.path} changed while {stage} read it: {shortened(changes)}. Nothing"
                    " was published. Run the same command again."
                ) from failure
        if failure is not None:
            raise failure

    def _mend(self, artifact: Artifact) -> None:
        """Make an artifact again if it is damaged, before a stage reads it.

        Raises:
            RootstockError: this runner did not get it from a stage, or it has other content now.
        """
        if not (damage := self._damage(artifact)):
            return
        entry = artifact.place.parent
        what = f"{artifact.place} is damaged: {shortened(damage)}."
        self.store.discard(entry)
        if (make := self._makers.get(entry)) is None:
            raise RootstockError(f"{what} To make it again, run the same command again.")
        made = make(damage)
        if all(
            a.digest != artifact.digest for a in artifacts_in(made) if a.place == artifact.place
        ):
            raise RootstockError(
                f"{what} It was made again with other content than before, because its stage does"
                " not always give the same result. Run the same command again, so that all later"
                " stages use it."
            )

    def _damage(self, artifact: Artifact) -> list[str]:
        """What is damaged in an artifact of the store; empty for files from elsewhere."""
        if not self.store.holds(artifact.place):
            return []
        try:
            entry = self.store.at(artifact.path.parent)
        except Withdrawn as e:
            return [str(e)]
        if entry is None or artifact.path.name not in entry.files:
            return [NO_RECORD]
        if entry.outputs[artifact.path.name]["digest"] != artifact.digest:
            return ["it was made again with other content"]
        with self._order:
            return self._inputs.damage(artifact, entry.files[artifact.path.name])

    def _why(self, identity: Identity) -> str:
        last = self.store.latest(identity.stage)
        if last is None:
            return "has no earlier result"
        return "changed since its last result: " + ", ".join(identity.differs_from(last.identity))


def _forget(remote: Remote | None) -> None:
    """Delete what an attempt keeps in a store behind a URL, such as checkpoints."""
    if remote is not None:
        forget(remote)


def _outputs_type(stage: Stage[Any, O]) -> type[O]:
    """The return type of the stage's `run`, from its annotation."""
    annotation = type(stage).run.__annotations__["return"]
    if isinstance(annotation, str):
        annotation = eval(annotation, vars(sys.modules[type(stage).__module__]))
    return annotation  # type: ignore[no-any-return]


def artifacts_in(side: object) -> Iterator[Artifact]:
    """The artifacts in the inputs or outputs of a stage."""
    for f in fields(side):  # type: ignore[arg-type]
        value = getattr(side, f.name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Artifact):
                yield item
