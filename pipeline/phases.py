"""Groups of stages, in the order in which the flow asks for them.

`rootstock run --until STAGE` ends where the flow asks for a stage that comes later in this order. A
phase is a task of an orchestrator, which runs it by that option: its results are in the store then,
and the next task finds them there. Nothing else passes between tasks, so results do not depend on
how stages are grouped. What only a run decides lies inside a phase: how many spans there are, and
whether there are representations (Embed) and experts.
"""

from __future__ import annotations

from collections.abc import Mapping

from components.errors import RootstockError, did_you_mean
from components.ingestion.readers.spans import has_spans
from pipeline.spec.load import EnsembleSpecs
from pipeline.spec.orchestration import TaskName
from pipeline.spec.sections import Spec

PHASES: Mapping[TaskName, tuple[str, ...]] = {
    "ingest": ("ExampleGen", "SpanMerger", "Deduplicator"),
    "check": ("StatisticsGen", "SchemaGen", "ExampleValidator", "TaskStatisticsGen"),
    "transform": ("Transform",),
    "pretrain": ("Pretrainer",),
    "train": ("Embed", "Experts", "Trainer"),
    "ensemble": ("Ensembler", "Teacher"),
    "export": ("Exporter",),
    "evaluate": ("InfraValidator", "Evaluator", "PortableValidator"),
    "push": ("Pusher",),
}
ORDER = tuple(stage for stages in PHASES.values() for stage in stages)
LAST = ORDER[-1]


class Reached(Exception):
    """The flow asks for a stage after the last one that is wanted."""


def known(stage: str) -> str:
    """The name of a stage that a run can end with.

    Raises:
        RootstockError: there is none of that name.
    """
    if stage not in ORDER:
        raise RootstockError(
            f"--until {stage}: expected a stage.{did_you_mean(stage, ORDER)} Stages:"
            f" {', '.join(ORDER)}."
        )
    return stage


def is_after(stage: str, last: str | None) -> bool:
    """Whether a stage comes after the last one that is wanted; None: all are."""
    return last is not None and ORDER.index(stage) > ORDER.index(last)


def phases_of(spec: Spec, ensemble: EnsembleSpecs) -> dict[TaskName, tuple[str, ...]]:
    """The phases with stages that a spec may need, and these stages: those that depend on the data
    are among them.

    ensemble: the models of the spec, if it describes several.
    """
    student = ensemble.student
    models = [*ensemble.members, *([student] if student else [])] or [spec]
    needed = {
        "SpanMerger": any(has_spans(s) for m in models for s in m.data.sources),
        "Deduplicator": any(m.data.duplicates is not None for m in models),
        "Pretrainer": any(m.model.pretraining is not None for m in models),
        "Embed": any(m.model.embedded is not None for m in models),
        "Experts": any(m.model.experts for m in models),
        "Ensembler": bool(ensemble.members),
        "Teacher": student is not None,
        "Exporter": student is not None or not ensemble.members,
        "PortableValidator": bool(spec.export.formats),
    }
    kept = {name: tuple(s for s in of if needed.get(s, True)) for name, of in PHASES.items()}
    return {name: stages for name, stages in kept.items() if stages}
