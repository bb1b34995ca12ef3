"""What the commands of `rootstock` do, as functions."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import RootstockError
from pipeline.display import Verbosity
from rootstock.results import AutoResult, Report, Result
from rootstock.specs import Spec

if TYPE_CHECKING:
    from serving.client.client import Client

SpecLike = Spec | str | os.PathLike[str]
"""A spec, or the path of its file."""


def run(
    spec: SpecLike, *, push: bool = False, explain: bool = False, verbosity: Verbosity = "normal"
) -> Result:
    """Run the pipeline of a spec, from its data to a pushed model; cached results are reused.

    push: serve this model instead of any other one. Without it, a spec with values that are not in
    its file (`with_values`) does not replace a model that is served. explain: print why stages run
    again. verbosity: how much is printed meanwhile.

    Raises:
        RootstockError: the spec or its data is invalid, or a directory cannot be written.
    """
    from pipeline.run import run

    known = _spec(spec)
    path, overrides, variables = _what(known)
    result = run(path, overrides, variables, explain=explain, serve=push, verbosity=verbosity)
    return Result(known, result)


def study(
    spec: SpecLike,
    *,
    minutes: float | None = None,
    workers: int = 1,
    verbosity: Verbosity = "normal",
) -> Report:
    """Measure for each task whether sharing and transfer help: see docs/study.md.

    minutes: time limit; the plan says what is left out. workers: concurrent trials. A script that
    calls this needs `if __name__ == "__main__":`, because trials run in other processes.

    Raises:
        RootstockError: the spec, its data or an arm is invalid.
    """
    from pipeline.study.run import study

    path, overrides, variables = _what(_spec(spec))
    directory = study(
        path, overrides, variables, workers=workers, minutes=minutes, verbosity=verbosity
    )
    assert directory is not None
    return Report(directory, "study.json", "report.html")


def advise(spec: SpecLike, *, models: int | None = None, verbosity: Verbosity = "normal") -> Report:
    """Suggest in minutes which trunk and which task groups to try: see docs/study.md.

    models: the most models that may be served.

    Raises:
        RootstockError: the spec or its data is invalid.
    """
    from pipeline.advise.run import give_advice

    directory = give_advice(*_what(_spec(spec)), models=models, verbosity=verbosity)
    return Report(directory, "advice.json", "advice.html")


def auto(
    data: str | os.PathLike[str],
    *labels: str,
    minutes: float = 10.0,
    metrics: Mapping[str, str] | None = None,
    group: str | None = None,
    trunks: Sequence[str] = (),
    output: str | os.PathLike[str] | None = None,
    verbosity: Verbosity = "normal",
    latency_ms: float | None = None,
    costs: Mapping[str, tuple[float, float]] | None = None,
) -> AutoResult:
    """Find, test and push the best model for a data file or folder: see docs/auto.md.

    labels: columns to predict. minutes: for all of it. metrics: by task, by which candidates are
    compared. group: a column whose equal values mark rows that belong together. trunks: pretrained
    trunks to try, each in YAML. output: a directory; `<name of the data>-auto` if absent.
    latency_ms: the longest time in which the model may answer one row. costs: by task, of a
    wrong yes and of a wrong no, from which the threshold of yes follows. A script
    that calls this needs `if __name__ == "__main__":`, because trials run in other processes.

    Raises:
        RootstockError: the data cannot be used, or there is no time for any model.
    """
    from pipeline.auto.answers import costs_of
    from pipeline.auto.run import auto

    directory = None if output is None else Path(output)
    what = Path(data), labels, minutes, metrics, group, trunks, directory
    paid = {t: costs_of(f"costs: {t}", *pair) for t, pair in (costs or {}).items()}
    found = auto(*what, verbosity, latency_ms, paid)
    spec = Spec.load(found.directory / "best.yaml")
    table = found.leaderboard.table()
    return AutoResult(found.directory, Result(spec, found.pipeline), table)


@contextlib.contextmanager
def serve(
    model: Result | SpecLike, *, wait_s: float = 120.0, options: Sequence[str] = ()
) -> Iterator[Client]:
    """Serve the pushed model of a run or of a spec on this machine, while the block runs.

    Yields a client of it: `client.predict({"age": [41.0]})`.

    options: of `python -m serving.server`.

    Raises:
        RootstockError: no model was pushed, or the server does not start.
    """
    from serving.client.client import Client
    from serving.server.launch import ServerExited, ServerProcess

    spec = model.spec if isinstance(model, Result) else _spec(model)
    name, destination = spec.name, spec.sections.push.destination
    base = Path(destination) / name
    if "://" in destination or not base.is_dir():
        raise RootstockError(
            f"{base}: expected a directory with a pushed model. First: rs.run(spec), whose model"
            " meets its thresholds."
        )
    with (
        tempfile.TemporaryDirectory() as logs,
        ServerProcess({name: base}, Path(logs) / "server.log", options) as server,
    ):
        try:
            ports = server.wait(wait_s)
        except (ServerExited, TimeoutError) as e:
            raise RootstockError(f"{base}: the server did not start: {e}") from e
        with Client(f"http://127.0.0.1:{ports['rest']}", name) as client:
            yield client


def _spec(spec: SpecLike) -> Spec:
    return spec if isinstance(spec, Spec) else Spec.load(spec)


def _what(spec: Spec) -> tuple[Path, Sequence[str], Mapping[str, Any]]:
    """Path, overrides and variables, as the functions of the pipeline take them."""
    source = spec.source
    return source.path, source.overrides, source.variables
