"""`rootstock compile`: a spec as a file for an orchestrator."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from components.data.objects import is_url
from components.errors import RootstockError, did_you_mean
from components.ingestion.readers.spans import has_spans
from components.stage import BeamOptions
from pipeline.orchestrators.base import Compilation, Task, targets
from pipeline.orchestrators.spec_text import check_no_password, spec_text, variables_in
from pipeline.phases import phases_of
from pipeline.report.tables import Table
from pipeline.spec.load import SpecSource, ensemble_of, load_spec
from pipeline.spec.sections import Spec
from serving.files import write_atomically

DATA = "DATA"


def compile_spec(
    source: SpecSource,
    to: str,
    output: Path | None = None,
    shared: Sequence[str] = (),
    beam: BeamOptions = BeamOptions(),  # noqa: B008 - frozen
) -> str:
    """Write a spec as a file for an orchestrator, and return what the user should know about it.

    to: the name of the orchestrator. output: a file; `<name of the spec><suffix>` when absent.
    shared: folders that every task sees under the same path.

    Raises:
        RootstockError: there is no such orchestrator, the spec is invalid, tasks elsewhere would
            not see its paths, or it has a password.
    """
    if (cls := targets().get(to)) is None:
        raise RootstockError(
            f"--to {to}: expected one of {', '.join(targets())}.{did_you_mean(to, targets())}"
        )
    target = cls()
    what = compilation(source, shared, beam)
    content = target.compiled(what)
    file = output or Path(f"{what.name}{target.suffix}")
    try:
        write_atomically(file, content)
    except OSError as e:
        raise RootstockError(f"{file}: cannot be written: {e.strerror}.") from e
    needed = f"Tasks need Rootstock {version('rootstock')}, which wrote this file."
    notes = (*what.notes, *target.notes(what), needed)
    return "\n".join([_table(what), "", f"Wrote {file}.", *notes])


def compilation(source: SpecSource, shared: Sequence[str], beam: BeamOptions) -> Compilation:
    """The tasks of a spec.

    Raises:
        RootstockError: as for `compile_spec`.
    """
    spec, file = load_spec(source.path, source.overrides, source.variables)
    ensemble = ensemble_of(source.path, source.overrides, source.variables)
    phases = phases_of(spec, ensemble)
    on_beam = [] if beam == BeamOptions() else ["--runner", beam.runner]
    on_beam += [part for option in beam.options for part in ("--beam", option)]
    resources = spec.orchestration.resources
    tasks = []
    for name, stages in phases.items():
        until = () if name == list(phases)[-1] else ("--until", stages[-1])
        own = {"resources": resources[name]} if name in resources else {}
        tasks.append(Task(name, stages, (*until, *on_beam), **own))
    if others := sorted(set(resources) - set(phases)):
        raise RootstockError(
            f"{source.path}: orchestration.resources.{others[0]}: this spec has no such task."
            f" Expected: {', '.join(phases)}."
        )
    text = spec_text(spec, file, shared)
    data = source.variables.get(DATA, os.environ.get(DATA, ""))
    check_no_password(f"--data (or the environment variable {DATA})", data)
    for option in beam.options:
        check_no_password("--beam", option)
    return Compilation(
        name=spec.name,
        spec=text,
        data=data if DATA in variables_in(text) else None,
        spans=tuple(
            f"data.sources.{i}.spans" for i, s in enumerate(spec.data.sources) if has_spans(s)
        ),
        tasks=tuple(tasks),
        settings=spec.orchestration,
        notes=tuple(_notes(spec, text, "Teacher" in phases.get("ensemble", ()))),
    )


def _table(what: Compilation) -> str:
    rows = []
    for task in what.tasks:
        asked = task.resources
        each = [
            f"{asked.cpu:g} CPUs" if asked.cpu else "",
            asked.memory or "",
            f"{asked.gpus} {asked.gpu}" if asked.gpus else "",
        ]
        rows.append([task.name, ", ".join(task.stages), ", ".join(filter(None, each)) or "any"])
    return Table(["task", "stages", "resources"], rows).text()


def _notes(spec: Spec, text: str, learns: bool) -> Iterator[str]:
    """learns: whether a model learns from an ensemble."""
    for name, has_default in variables_in(text).items():
        if name not in {*spec.orchestration.secrets, DATA} and not has_default:
            yield f"Every task has to have the environment variable {name}, which the spec uses."
    if spec.tracking.backend == "mlflow" and spec.tracking.uri is None and is_url(spec.store):
        yield (
            "Warning: MLflow's records would stay in the container of the last task, and be lost"
            " with it. Name a server in tracking.uri, or set tracking.backend: none."
        )
    if learns:
        yield "The task `ensemble` also trains the model that learns from the ensemble (Trainer)."
