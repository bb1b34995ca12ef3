"""What the page of a run shows, collected from the artifacts that the run made or found."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.artifacts import PushRecord, Statistics, TaskStatistics
from components.charts import Plot
from components.evaluation.headline import Headline, headline
from components.evaluation.mistakes import Mistake
from components.evaluation.task_section import TaskSection, sections
from components.labels.label_statistics import SplitTasks, load_task_statistics
from components.statistics.column_statistics import ColumnStatistics, NumericColumn, load_statistics
from models.masked_url import without_secrets
from pipeline.display import StageResult
from pipeline.flow import PipelineResult
from pipeline.run_page.learning import curves
from pipeline.run_page.rows import Shown, shown
from pipeline.spec.sections import Spec
from pipeline.store.entry import read_entry
from pipeline.store.store import Store
from serving.files import write_atomically
from serving.interface import read_interface
from serving.pages import render

MOST_SAMPLES = 8
MOST_MISTAKES = 6
MOST_CLASSES = 12


@dataclass(frozen=True)
class Stage:
    """seconds: that it took when it ran. cached: not in this run."""

    name: str
    seconds: float
    cached: bool


@dataclass(frozen=True)
class TaskPart:
    """A task: its figures, and the rows that were answered worst."""

    section: TaskSection
    mistakes: Sequence[tuple[Mistake, Shown]]


@dataclass(frozen=True)
class RunPage:
    """What the template reads.

    spec: its YAML, without passwords. splits: rows by split. balance: labels of the training split.
    numbers: by task, what its labels are like if they are numbers, else empty.
    samples: some training rows. warnings, reasons: of the verdicts. example: a command that asks
    the served model. kept: the epoch whose weights are used.
    """

    name: str
    when: str
    spec: str
    inputs: Sequence[tuple[str, ...]]
    tasks: Sequence[tuple[str, ...]]
    splits: Sequence[tuple[str, str]]
    balance: SplitTasks | None
    numbers: Mapping[str, str]
    samples: Sequence[Shown]
    evaluated: str
    rows: int
    level: float
    headlines: Sequence[Headline]
    parts: Sequence[TaskPart]
    curves: Sequence[Plot]
    kept: int
    epochs: int
    stages: Sequence[Stage]
    warnings: Sequence[str]
    reasons: Sequence[str]
    pushed: PushRecord
    example: str
    spec_file: str
    most_classes: int = MOST_CLASSES

    @property
    def title(self) -> str:
        return f"Run of {self.name}"


def page(content: RunPage) -> str:
    return render(__name__, content)


def write_page(
    spec: Spec,
    spec_text: str,
    spec_file: Path,
    result: PipelineResult,
    stages: Sequence[StageResult],
    file: Path,
) -> None:
    """Write the page, unless it shows the same results already.

    spec_text: the spec as it was used. stages: of this run, in their order.

    Raises:
        Exception: whatever keeps it from being made; the run itself does not need it.
    """
    identity = [without_secrets(spec_text, named=False), str(spec_file)]
    identity += sorted(f"{s.stage} {s.path.name}" for s in stages)  # some ran side by side
    mark = f"<!-- {_digest(identity)} -->"
    if file.is_file() and file.read_text(encoding="utf-8").rstrip().endswith(mark):
        return
    content = collect(spec, spec_text, spec_file, result, stages)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, f"{page(content)}{mark}\n")


def collect(
    spec: Spec,
    spec_text: str,
    spec_file: Path,
    result: PipelineResult,
    stages: Sequence[StageResult],
) -> RunPage:
    """Read what the page shows."""
    report = _json(result.evaluation.path / "evaluation.json")
    history = _json(result.trained.path / "history.json")
    pushed, inputs = result.pushed.load(), tuple(spec.inputs.values())
    places = {s.stage: s.path for s in reversed(stages)}  # the first of a name
    balance = load_task_statistics(
        TaskStatistics(_output(places, "TaskStatisticsGen", "task_statistics"))
    )
    examples, split = result.examples, report["split"]
    train = examples.num_rows("train")
    some = sorted({i * train // MOST_SAMPLES for i in range(MOST_SAMPLES)}) if train else []
    labels = [t.label for t in spec.tasks.values()]
    columns = load_statistics(Statistics(_output(places, "StatisticsGen", "statistics")))[
        "train"
    ].columns
    numbers = {t.name: _spread(columns.get(t.label)) for t in spec.tasks.values()}
    parts = []
    for section in sections(report):
        found = [Mistake(**m) for m in report["mistakes"].get(section.name, ())][:MOST_MISTAKES]
        rows = shown(examples, split, [m.row for m in found], inputs)
        parts.append(TaskPart(section, [(m, rows[m.row]) for m in found]))
    return RunPage(
        name=spec.name,
        when=time.strftime("%d %B %Y, %H:%M UTC", time.gmtime()),
        spec=without_secrets(spec_text, named=False),
        inputs=[(i.name, i.kind, i.column) for i in inputs],
        tasks=[(t.name, t.kind, t.label) for t in spec.tasks.values()],
        splits=[(s, f"{examples.num_rows(s):,}") for s in examples.splits()],
        balance=balance.get("train"),
        numbers=numbers,
        samples=list(shown(examples, "train", some, inputs, labels).values()),
        evaluated=split,
        rows=report["rows"],
        level=report["level"],
        headlines=[headline(part.section) for part in parts],
        parts=parts,
        curves=curves(history["epochs"], list(spec.tasks)),
        kept=history["kept_epoch"] + 1,
        epochs=len(history["epochs"]),
        stages=[_stage(s) for s in stages],
        warnings=[w for b in result.blessings for w in b.warnings()],
        reasons=pushed.reasons,
        pushed=pushed,
        example=_example(spec.name, result.model.saved_model),
        spec_file=str(spec_file),
    )


def _spread(column: ColumnStatistics | None) -> str:
    if not isinstance(column, NumericColumn) or not column.percentiles:
        return ""
    ends = f"{column.minimum:.5g} to {column.maximum:.5g}"
    return f"{ends}, mean {column.mean:.5g}, standard deviation {column.deviation:.4g}"


def _output(places: Mapping[str, Path], stage: str, name: str) -> Path:
    """The directory of an output, which is fetched if it is in a remote store only."""
    place = places[stage]
    entry = Store(place.parent.parent).at(place)
    return place / name if entry is None else entry.output(name)


def _stage(result: StageResult) -> Stage:
    entry = read_entry(result.path)
    return Stage(result.stage, entry.seconds if entry else result.seconds, result.cached)


def _example(name: str, saved_model: Path) -> str:
    """A command that asks the model, with typical values."""
    interface = read_interface(saved_model)
    words = ["rootstock", "predict", name]
    for field in interface.fields if interface else ():
        default = {"image": "@picture.jpg", "number": "0"}.get(field.asks, "some text")
        value = f"{field.usual:g}" if isinstance(field.usual, float) else field.usual
        words.append(f"{field.name}={value or field.hint or default}")
    return shlex.join(words)


def _json(file: Path) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def _digest(parts: Sequence[str]) -> str:
    import hashlib

    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
