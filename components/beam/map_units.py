"""The one place that runs Beam pipelines: work on units, results in order, on any runner."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, overload

from components.data.atomic import write_whole
from components.errors import DISK_FULL, RootstockError
from components.stage import BeamOptions, Context

IN_PROCESS = BeamOptions().runner
FULL_NAMES = {"DaskRunner": "apache_beam.runners.dask.dask_runner.DaskRunner"}
"""Runners that Beam does not know by their short names."""
T = TypeVar("T")
R = TypeVar("R")

POLL_SECONDS = 0.2
REFUSED = ".refused"
"""Ending of the file that holds the error of a unit; that of a result is `.pickle`."""


def map_units(
    name: str,
    units: Sequence[T],
    work: Callable[..., R],
    context: Context,
    rows: Sequence[int] = (),
    threads: int | None = None,
    model: Callable[[], object] | None = None,
) -> Results[R]:
    """`work(index, unit)` for every unit, as a Beam pipeline; the results in the order of units.

    rows: of each unit, to tell progress in; in units ("shards") when empty.
    threads: that the in-process runner may use; one for each core when absent. Other runners, and
        options that say so, decide it themselves.

    model: makes what `work(index, unit, model)` needs, once a process, by Beam's RunInference.

    `work` and its results are pickled; work must be the same however often it is tried. Results
    are kept in the stage's scratch directory as they come, so an attempt after a crash goes on
    with the units that are left: whatever else `work` writes belongs in scratch too. Workers
    share that directory with this process.

    Raises:
        RootstockError: raised by `work`; that of the first unit in order.
        OSError: the disk is full.
    """
    results = context.scratch / name
    results.mkdir(parents=True, exist_ok=True)
    for refused in results.glob(f"*{REFUSED}"):
        refused.unlink()
    left = [(i, unit) for i, unit in enumerate(units) if not _file(results, i).exists()]
    if left:
        options, note = _with_threads(context.beam, len(left), threads)
        with _Progress(results, rows, len(units), context, note):
            try:
                _run(left, _Kept(work, str(results)), options, model)
            except Exception as error:
                for code in DISK_FULL:  # Beam keeps the message only
                    if os.strerror(code) in str(error):
                        raise OSError(code, os.strerror(code), str(results)) from error
                raise
    for refused in sorted(results.glob(f"*{REFUSED}")):
        raise pickle.loads(refused.read_bytes())
    return Results(results, len(units))


class Results(Sequence[R]):
    """What `map_units` gives: read when it is asked for, so that there may be any number of them,
    and there until `hand_over`.
    """

    def __init__(self, directory: Path, units: int) -> None:
        self.directory = directory
        self.units = units

    def __len__(self) -> int:
        return self.units

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[R]: ...
    def __getitem__(self, index: int | slice) -> R | Sequence[R]:
        chosen = range(self.units)[index]
        if isinstance(chosen, range):
            return [self[i] for i in chosen]
        result: R = pickle.loads(_file(self.directory, chosen).read_bytes())
        return result


def hand_over(name: str, written: Path, target: Path, context: Context) -> None:
    """Move the files that the `work` of `map_units` wrote in scratch to an output directory.

    The results of that name go first, so that an attempt after a crash here writes the files
    again; so do hidden files, which are what a killed worker left half-written.
    """
    shutil.rmtree(context.scratch / name, ignore_errors=True)
    for leftover in written.rglob(".*"):
        leftover.unlink()
    written.rename(target)


def _with_threads(options: BeamOptions, units: int, threads: int | None) -> tuple[BeamOptions, str]:
    """Options that say how many units are worked on at once, and a note for people."""
    chosen = any("direct_" in option for option in options.options)
    if options.runner != IN_PROCESS or chosen:
        return options, f"on {options.runner}"
    count = min(threads or os.cpu_count() or 1, units)
    if count == 1:
        return options, ""
    flags = (f"direct_num_workers={count}", "direct_running_mode=multi_threading")
    return replace(options, options=(*options.options, *flags)), f"on {count} threads"


def _run(
    left: Sequence[tuple[int, Any]],
    work: _Kept,
    options: BeamOptions,
    model: Callable[[], object] | None,
) -> None:
    logging.getLogger().addFilter(_without_noise)
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from components.beam.worker_processes import died

    flags = [o if o.startswith("--") else f"--{o}" for o in options.options]
    name = FULL_NAMES.get(options.runner, options.runner)
    died.clear()
    try:
        with beam.Pipeline(_runner(name), PipelineOptions(flags)) as pipeline:
            items = pipeline | beam.Create(left) | beam.Reshuffle()
            if model is None:
                _ = items | beam.Map(work)
            else:
                from components.beam.inference import with_model

                _ = items | with_model(work.with_model, model)
    except Exception as e:
        if not died.is_set():
            raise
        raise RootstockError(
            "a worker process of Beam died: killed, or out of memory? What is done is kept: run the"
            " same command again, with fewer workers where memory is short."
        ) from e


def _runner(name: str) -> Any:
    """A runner by its name.

    Raises:
        RootstockError: there is none of that name, or what it needs is not installed.
    """
    from apache_beam.runners import create_runner

    try:
        return create_runner(name)
    except (ValueError, ImportError, AttributeError) as e:
        raise RootstockError(f"--runner {name}: {e}. See docs/runners.md.") from e


class _Kept:
    """Work whose result goes to a file; what the user has to mend is a result, not a retry."""

    def __init__(self, work: Callable[..., Any], directory: str) -> None:
        self.work = work
        self.directory = directory

    def __call__(self, item: tuple[int, Any]) -> None:
        self._keep(item)

    def with_model(self, item: tuple[int, Any], model: object) -> None:
        """The same with what the work needs besides."""
        self._keep(item, model)

    def _keep(self, item: tuple[int, Any], *model: object) -> None:
        index, unit = item
        result: object
        try:
            for refused in model:
                if isinstance(refused, RootstockError):
                    raise refused
            result = self.work(index, unit, *model)
        except RootstockError as error:
            result = error
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            result = error
        file = _file(Path(self.directory), index)
        if isinstance(result, RootstockError | OSError):
            file = file.with_suffix(REFUSED)
        write_whole(file, pickle.dumps(result))


class _Progress:
    """Counts finished units while a pipeline runs, wherever its workers are."""

    def __init__(
        self, results: Path, rows: Sequence[int], units: int, context: Context, note: str
    ) -> None:
        self.results, self.observer, self.note = results, context.observer, note
        self.sizes, self.unit = (rows, "rows") if rows else ([1] * units, "shards")
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def _watch(self) -> None:
        while not self.over.wait(POLL_SECONDS):
            self._tell()
        self._tell()

    def _tell(self) -> None:
        done = sum(self.sizes[int(file.stem)] for file in self.results.glob("*.pickle"))
        self.observer.progress(done, sum(self.sizes), self.unit, self.note)


def _file(results: Path, index: int) -> Path:
    return results / f"{index:05d}.pickle"


def _without_noise(record: logging.LogRecord) -> bool:
    """Beam says at import that Google Cloud clients are absent, and of every loaded model that it
    cannot tell its memory; nobody needs to know here.
    """
    told = record.getMessage()
    return "apitools" not in told and "memory usage cannot be fetched" not in told
