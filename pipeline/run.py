"""`rootstock run`: one run of a spec with its record and its closing table."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from components.errors import RootstockError
from components.export.portable_runtime import DIRECTORY as PORTABLE
from components.stage import BeamOptions
from components.training.workers import ClusterBoard, workers_from
from models.masked_url import without_secrets
from pipeline.agreement import Agreement
from pipeline.display import PIPED, Display, StageResult, Verbosity, near, showing, summary
from pipeline.flow import PipelineResult, pipeline
from pipeline.follower import Follower
from pipeline.operations.deployment import pushed_before
from pipeline.operations.replacement import held, moved_from, replaced
from pipeline.phases import Reached, known
from pipeline.report.results import results
from pipeline.runner import Runner
from pipeline.spec.load import ensemble_of, load_spec
from pipeline.spec.sections import Spec
from pipeline.spec.trunk_lookup import tracking_uri, with_trunk_looked_up
from pipeline.spec.validate import check_reach
from pipeline.spec.yaml_file import YamlFile
from pipeline.store.place import local
from pipeline.store.store import Store
from pipeline.tracking.events import NoTracker, Param, RunFinished, RunStarted, Status, Tracker
from pipeline.tracking.journal import RUN_PAGE, JournalTracker, new_run
from pipeline.tracking.source import source_tags
from pipeline.tracking.state import pending
from pipeline.tracking.sync import BUSY, DONE, TRACKING_URI
from pipeline.tracking.system import sampling

WAIT_FOR_MLFLOW_S = 60.0
PAGES = "pages"
_senders: list[subprocess.Popen[bytes]] = []
"""Those that may still run. Python warns of a running process that nothing refers to."""


def run(
    path: Path,
    overrides: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    beam: BeamOptions = BeamOptions(),  # noqa: B008 - frozen
    explain: bool = False,
    retries: int = 0,
    wait: bool = True,
    serve: bool = False,
    verbosity: Verbosity = "normal",
) -> PipelineResult:
    """Run the pipeline of a spec file and print its closing table.

    As one of several workers (see `components.training.workers`): the chief does that, the others
    only train with it.

    wait: wait for MLflow to receive the record, at most a minute, unless every stage was cached.
    serve: serve this model instead of any other one. If it was pushed before and another one is
        served now, that pushes it again. Without it, a run with overrides leaves what is served.

    Raises:
        RootstockError: the spec or its data is invalid, or a directory cannot be written.
    """
    spec, file = load_spec(path, overrides, variables)
    check_reach(spec, beam)
    began = time.monotonic()
    resolved = with_trunk_looked_up(spec)  # the record keeps the name of the trunk
    ensemble = ensemble_of(path, overrides, variables).mapped(with_trunk_looked_up)
    store, moved = Store(local(spec.store)).open(), moved_from(spec, file)
    replaces = serve or file.may_replace
    agreement = _joined(verbosity)
    if agreement is not None and not agreement.workers.is_chief:
        with (
            showing(store.root, verbosity) as display,
            Follower(store, display=display, beam=beam, agreement=agreement) as follower,
        ):
            return pipeline(resolved, follower, ensemble, replaces)
    with (
        showing(store.root, verbosity) as display,
        _recorded(spec, file, display) as (tracker, syncing),
        Runner(store, tracker, display, beam, retries, explain, agreement) as runner,
    ):
        result = pipeline(resolved, runner, ensemble, replaces)
        result = replace(result, page=_page(spec, file, result, runner, tracker))
    if verbosity != "quiet":
        print(summary(runner.results, store.root))
        print(f"These are the copies of {store.mirror.url}.\n" if store.mirror else "")
    print(results(result.evaluation.path, PIPED))
    print("\n".join(_outcome(spec, result, runner.results[-1], serve)))
    if moved:
        print(moved)
    for warning in result.pushed.load().warnings:  # also if every stage was cached
        print(f"Warning: {warning}.")
    if spec.export.formats:
        print(f"Portable files: {near(result.model.saved_model / PORTABLE)}")
    if result.page:
        print(f"The page of this run: {near(result.page)}")
    print(f"Total time: {time.monotonic() - began:.1f} s.", end=" ")
    cached = all(r.cached for r in runner.results)
    print(_record(path, spec, syncing, WAIT_FOR_MLFLOW_S if wait and not cached else 0.0))
    return result


def run_until(
    last: str,
    path: Path,
    overrides: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    beam: BeamOptions = BeamOptions(),  # noqa: B008 - frozen
    explain: bool = False,
    retries: int = 0,
    verbosity: Verbosity = "normal",
) -> Sequence[StageResult]:
    """Run the stages of a spec file up to one of them, and print a table of them. It is recorded
    only by the run that goes on from there.

    last: the name of that stage: see `pipeline.phases`.

    Raises:
        RootstockError: as for `run`; or there is no stage of that name.
    """
    known(last)
    spec = load_spec(path, overrides, variables)[0]
    check_reach(spec, beam)
    spec = with_trunk_looked_up(spec)
    ensemble = ensemble_of(path, overrides, variables).mapped(with_trunk_looked_up)
    store, agreement = Store(local(spec.store)).open(), _joined(verbosity)
    with showing(store.root, verbosity) as display:
        shared = store, NoTracker(), display, beam, retries, explain
        if agreement is None or agreement.workers.is_chief:
            runner = Runner(*shared, agreement, until=last)
        else:
            runner = Follower(*shared, agreement=agreement, until=last)
        with runner, contextlib.suppress(Reached):
            pipeline(spec, runner, ensemble)
    if verbosity != "quiet":
        print(summary(runner.results, store.root))
    print(f"Ended after {last}, as asked for by --until. `rootstock run {path}` goes on.")
    return runner.results


def _joined(verbosity: Verbosity) -> Agreement | None:
    """With the other workers, after this process has met them; None if it is alone."""
    if (workers := workers_from()) is None:
        return None
    if verbosity != "quiet":
        print(f"{workers}: waiting for the others", flush=True)
    workers.join()
    return Agreement(workers, ClusterBoard())


def _page(
    spec: Spec, file: YamlFile, result: PipelineResult, runner: Runner, tracker: Tracker
) -> str:
    """Write the page of a run, give MLflow a copy, and a store behind a URL. Returns where it is.
    A failure is shown and fails no run.
    """
    from pipeline.run_page.page import write_page

    name = f"{PAGES}/{spec.name}/{RUN_PAGE}"
    written = runner.store.root / name
    try:
        write_page(spec, file.text, file.path, result, runner.results, written)
        if isinstance(tracker, JournalTracker) and tracker.run.is_dir():
            shutil.copyfile(written, tracker.run / RUN_PAGE)
        if (mirror := runner.store.mirror) is not None:
            mirror.objects.write(name, written.read_bytes())
            return f"{mirror.url}/{name}"
    except Exception as e:  # whatever it is, the model is trained and pushed
        runner.display.alert(f"The page of this run cannot be written: {e!r}")
        return str(written) if written.is_file() else ""
    return str(written)


@contextlib.contextmanager
def _recorded(
    spec: Spec, file: YamlFile, display: Display
) -> Iterator[tuple[Tracker, subprocess.Popen[bytes] | None]]:
    """A tracker for this run, and the process that sends its record to MLflow."""
    if spec.tracking.backend == "none":
        yield NoTracker(), None
        return
    directory = new_run(local(spec.store))
    tracker = JournalTracker(directory, display.line)
    user = os.environ.get("USER", "unknown")
    tracker.record(
        RunStarted(
            run_id=directory.name,
            name=spec.name,
            experiment=spec.tracking.experiment or spec.name,
            spec_text=without_secrets(file.text, named=False),
            params=_params(spec),
            tags={**source_tags(file.path), "mlflow.user": user},
        )
    )
    syncing = _start_sync(directory, spec) if directory.is_dir() else None
    status: Status = "failed"
    try:
        with sampling(tracker):
            yield tracker, syncing
        status = "finished"
    except KeyboardInterrupt:
        status = "killed"
        raise
    finally:
        tracker.record(RunFinished(status=status))


def _start_sync(directory: Path, spec: Spec) -> subprocess.Popen[bytes]:
    """Send a run to MLflow from a process that may outlive this one."""
    _senders[:] = [sender for sender in _senders if sender.poll() is None]
    command = [sys.executable, "-m", "pipeline.tracking.sync", str(directory)]
    environment = {**os.environ, TRACKING_URI: tracking_uri(spec).reveal()}  # `ps` shows arguments
    null = subprocess.DEVNULL
    _senders.append(
        subprocess.Popen(
            command, stdin=null, stdout=null, stderr=null, start_new_session=True, env=environment
        )
    )
    return _senders[-1]


def synchronise(spec: Spec) -> None:
    """Send every recorded run that MLflow does not have yet, and print which.

    Raises:
        RootstockError: MLflow did not accept a run.
    """
    uri = tracking_uri(spec)
    runs = pending(local(spec.store), uri)
    for directory in runs:
        code = _start_sync(directory, spec).wait()
        if code not in (DONE, BUSY):
            raise RootstockError(f"{uri} did not accept {directory.name}; see {directory}/sync.log")
        print(f"{directory.name}: {'sent' if code == DONE else 'is being sent'}")
    print(f"{uri} has every run" if not runs else f"{uri} has every run now")


def _params(spec: Spec) -> dict[str, Param]:
    """The parameters by which the MLflow UI compares runs."""
    params: dict[str, Param] = {"seed": spec.seed, "tasks": ", ".join(spec.tasks)}
    for role, method in spec.model.model_dump().items():
        _flatten(role, method, params)
    _flatten("training", asdict(spec.training), params)
    return params


def _flatten(prefix: str, value: object, into: dict[str, Param]) -> None:
    if isinstance(value, Mapping):
        for k, v in value.items():
            _flatten(f"{prefix}.{k}", v, into)
    elif isinstance(value, str | int | float | bool):
        into[prefix.removesuffix(".name")] = value
    else:
        into[prefix] = str(value)


def _outcome(spec: Spec, result: PipelineResult, pusher: StageResult, serve: bool) -> Iterator[str]:
    record = result.pushed.load()
    if record.held:
        yield held(record)
    elif not record.pushed:
        yield "Not pushed: " + "; ".join(record.reasons)
    elif pusher.cached or "pushed" in dict(pusher.figures):
        yield pushed_before(spec, record, serve)
    else:
        label = f", with label {record.label!r}" if record.label else ""
        yield f"Pushed version {record.version} to {near(record.path)}{label}"
        if record.served:
            yield from replaced(spec, record, result.evaluation, Store(local(spec.store)))


def _record(path: Path, spec: Spec, syncing: subprocess.Popen[bytes] | None, wait: float) -> str:
    if syncing is None:
        return "The run was not recorded (tracking.backend is none)."
    with contextlib.suppress(subprocess.TimeoutExpired):
        if wait and syncing.wait(wait) != 0:
            return f"MLflow does not have this run yet. To send it: rootstock sync {path}"
    if spec.tracking.uri:
        return f"Recorded in MLflow at {spec.tracking.uri}"
    return f"To see it in MLflow: rootstock ui {path}"
