"""Runs work on units as a Beam pipeline, on any runner; the only place that runs pipelines."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, overload

from components.beam.by_url import FAILED, Exchange, fetch_files, forget_elsewhere, result_file
from components.data.atomic import write_whole
from components.errors import DISK_FULL, RootstockError
from components.stage import BeamOptions, Context

FULL_NAMES = {"DaskRunner": "apache_beam.runners.dask.dask_runner.DaskRunner"}
"""Runners that Beam does not find by their short names."""
T = TypeVar("T")
R = TypeVar("R")

POLL_SECONDS, POLL_URL_SECONDS = 0.2, 2.0
TRIES = 3


def map_units(
    name: str,
    units: Sequence[T],
    work: Callable[..., R],
    context: Context,
    rows: Sequence[int] = (),
    threads: int | None = None,
    model: Callable[[], object] | None = None,
) -> Results[R]:
    """Call `work(index, unit)` for every unit in a Beam pipeline. Results keep the units' order.

    `work` and its results are pickled, and `work` must give the same result when it is repeated.
    Results are stored in the stage's scratch directory one by one, so that a new attempt after a
    crash continues with the remaining units. Other files that `work` writes belong in scratch too.

    Workers share this machine's disk, unless there is `context.by_url`. Then paths of inputs and of
    scratch in `work` and in units, as `Path` or as text, become paths of the worker, and `work`
    finds only files there that it or its unit names: see `packing` and `by_url`.

    rows: number of rows of each unit, to report progress in rows; when empty, in units ("shards").
    threads: largest number of threads of the in-process runner; None for one per core. Other
        runners decide by their own options.
    model: loads a model, once per process (Beam's RunInference), for `work(index, unit, model)`.

    Raises:
        RootstockError: raised by `work`; the one of the first such unit.
        OSError: the disk is full.
    """
    results = context.scratch / name
    results.mkdir(parents=True, exist_ok=True)
    for failed in results.glob(f"*{FAILED}"):
        failed.unlink()
    remote = context.by_url
    exchange = None if remote is None else Exchange(name, results, context, remote)
    if exchange is not None:
        exchange.begin()
    else:
        forget_elsewhere(results)
    for _ in range(TRIES):  # another machine that is done with this stage removes its results
        remaining = [(i, unit) for i, unit in enumerate(units) if not _file(results, i).exists()]
        if not remaining or any(results.glob(f"*{FAILED}")):
            break
        options, note = _with_threads(context.beam, len(remaining), threads)
        sizes, unit = (rows, "rows") if rows else ([1] * len(units), "shards")
        with _progress(results, sizes, unit, context, note, exchange):
            try:
                if exchange is None:
                    _run(remaining, _StoreResult(work, str(results)), options, model)
                else:
                    items, by_url, load = exchange.packed(remaining, work, model)
                    _run(items, by_url, options, load)
                    exchange.look()
            except Exception as error:
                for code in DISK_FULL:  # Beam only keeps the message
                    if os.strerror(code) in str(error):
                        raise OSError(code, os.strerror(code), str(results)) from error
                raise
    for failed in sorted(results.glob(f"*{FAILED}")):
        raise pickle.loads(failed.read_bytes())
    if exchange is not None and not all(_file(results, i).exists() for i in range(len(units))):
        raise RootstockError(
            f"{name}: results of workers have disappeared {TRIES} times. Another machine may run"
            " the same stage: wait until it is done, and run the same command again."
        )
    return Results(results, len(units))


class Results(Sequence[R]):
    """The results of `map_units`. Each is read from its file when it is accessed, so there may be
    any number of them. `hand_over` deletes them.
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
        selected = range(self.units)[index]
        if isinstance(selected, range):
            return [self[i] for i in selected]
        result: R = pickle.loads(_file(self.directory, selected).read_bytes())
        return result


def hand_over(name: str, written: Path, target: Path, context: Context) -> None:
    """Move the files that the `work` of `map_units` wrote from scratch to an output directory.

    Without a shared disk, the files are fetched first.

    The results of this name are deleted before, so that a new attempt after a crash here writes the
    files again. Hidden files, which killed workers left incomplete, are deleted too.
    """
    if context.by_url is not None:
        written.mkdir(parents=True, exist_ok=True)
        fetch_files(context.scratch / name, context, context.by_url)
    shutil.rmtree(context.scratch / name, ignore_errors=True)
    for leftover in written.rglob(".*"):
        leftover.unlink()
    written.rename(target)


def _with_threads(options: BeamOptions, units: int, threads: int | None) -> tuple[BeamOptions, str]:
    """Options with the number of threads, and a note for the progress display."""
    has_own_options = any("direct_" in option for option in options.options)
    if options.elsewhere or has_own_options:
        return options, f"on {options.runner}"
    count = min(threads or os.cpu_count() or 1, units)
    if count == 1:
        return options, ""
    flags = (f"direct_num_workers={count}", "direct_running_mode=multi_threading")
    return replace(options, options=(*options.options, *flags)), f"on {count} threads"


def _run(
    remaining: Sequence[tuple[int, Any]],
    work: Callable[..., None],
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
            items = pipeline | beam.Create(remaining) | beam.Reshuffle()
            if model is None:
                _ = items | beam.Map(work)
            else:
                from apache_beam.ml.inference.base import RunInference

                from components.beam.inference import UnitHandler

                _ = items | RunInference(UnitHandler(work, model))
    except Exception as e:
        if not died.is_set():
            raise
        raise RootstockError(
            "a worker process of Beam died. It may have been killed or run out of memory. Finished"
            " units are kept: run the same command again, with fewer workers if memory is short."
        ) from e


def _runner(name: str) -> Any:
    """The runner of this name.

    Raises:
        RootstockError: the name is unknown, or a package that the runner needs is not installed.
    """
    from apache_beam.runners import create_runner

    try:
        return create_runner(name)
    except (ValueError, ImportError, AttributeError) as e:
        raise RootstockError(f"--runner {name}: {e}. See docs/runners.md.") from e


class _StoreResult:
    """Calls `work` and stores its result, or an error that only the user can fix, in a file: Beam
    would repeat work that raises.
    """

    def __init__(self, work: Callable[..., Any], directory: str) -> None:
        self.work = work
        self.directory = directory

    def __call__(self, item: tuple[int, Any], model: object = None) -> None:
        """model: for work that needs one; it may be the error of loading it."""
        index, unit = item
        file = _file(Path(self.directory), index)
        try:
            if isinstance(model, RootstockError):
                raise model
            result = self.work(index, unit, *([] if model is None else [model]))
        except (RootstockError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in DISK_FULL:
                raise
            file, result = file.with_suffix(FAILED), error
        write_whole(file, pickle.dumps(result))


@contextmanager
def _progress(
    results: Path,
    sizes: Sequence[int],
    unit: str,
    context: Context,
    note: str,
    exchange: Exchange | None,
) -> Iterator[None]:
    """Reports how much is finished while a pipeline runs, by counting result files."""
    finished = threading.Event()
    pause = POLL_SECONDS if exchange is None else POLL_URL_SECONDS

    def watch() -> None:
        last = False
        while not last:
            last = finished.wait(pause)
            if exchange is not None and not last:
                with suppress(RootstockError):  # the end of the pipeline looks again
                    exchange.look()
            done = sum(sizes[int(file.stem)] for file in results.glob("*.pickle"))
            context.observer.progress(done, sum(sizes), unit, note)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def _file(results: Path, index: int) -> Path:
    return results / result_file(index)


def _without_noise(record: logging.LogRecord) -> bool:
    """Filters that Google Cloud clients are missing and the memory usage of a model is unknown."""
    message = record.getMessage()
    return "apitools" not in message and "memory usage cannot be fetched" not in message
