"""Chooses among the candidates of an arm, on validation data."""

from __future__ import annotations

from dataclasses import replace

from components.data.lazy import np
from components.errors import RootstockError
from pipeline.display import Display
from pipeline.store.store import Store
from pipeline.study.arms import PlannedArm, planned_controls
from pipeline.study.evidence import gather
from pipeline.study.jobs import Job, Prepared
from pipeline.study.workers import run_jobs

SEEDS = 2


def candidate_jobs(prepared: Prepared, arm: PlannedArm) -> list[Job]:
    """The trials of an arm's candidates: `SEEDS` seeds, all training rows."""
    largest = max(prepared.design.settings.fractions)
    models = [(candidate, model) for candidate in arm.candidates for model in candidate.models]
    return [prepared.job(*model, largest, seed) for seed in range(SEEDS) for model in models]


def tuned(prepared: Prepared, store: Store, workers: int, display: Display) -> Prepared:
    """The design in which every arm is its best candidate.

    Raises:
        RootstockError: there are no validation rows to choose with.
    """
    design, inputs = prepared.design, dict(prepared.inputs)
    chosen, seconds = {}, {}
    for arm in design.arms:
        if not arm.candidates:
            continue
        if not prepared.examples.num_rows("val"):
            raise RootstockError(
                f"study.arms.{arm.name}.tune needs validation rows, and the val split is empty."
                " Give data.splits.val a share."
            )
        best, seconds[arm.name] = _best(prepared, arm, store, workers)
        display.line(f"{arm.name}: tuning chose {', '.join(best.overrides)}")
        chosen[arm.name] = replace(best, name=arm.name)
        inputs |= {(arm.name, split): i for (n, split), i in inputs.items() if n == best.name}
    arms = [chosen.get(a.name, a) for a in design.arms if not a.control_of]
    wanted = {a.name for a in design.arms}
    controls, _ = planned_controls(arms, design.settings)
    arms += [c for c in controls if c.name in wanted]
    final = replace(design, arms=tuple(arms))
    return replace(prepared, design=final, inputs=inputs, tuning=seconds)


def _best(
    prepared: Prepared, arm: PlannedArm, store: Store, workers: int
) -> tuple[PlannedArm, float]:
    """The candidate with the highest mean gain over the first one, in units of the margin, and the
    seconds of training to find it.
    """
    largest = max(prepared.design.settings.fractions)
    done = run_jobs(candidate_jobs(prepared, arm), store, workers)
    rows = {largest: prepared.rows_of(largest)}
    own = replace(prepared, design=replace(prepared.design, arms=arm.candidates))
    evidence = gather(own, rows, done, store)
    first = arm.candidates[0]

    def gain(candidate: PlannedArm) -> float:
        differences = evidence.differences(candidate.name, first.name, largest, "val")
        return float(np.mean([d.mean / d.margin for d in differences] or [-np.inf]))

    seconds = sum(cell.total("seconds") for cell in evidence.cells.values())
    return max(arm.candidates, key=gain), seconds
