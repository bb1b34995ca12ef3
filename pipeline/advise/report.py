"""The advice in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components.pages import render
from pipeline.advise.advice import Advice, Affinity
from pipeline.report.charts import HeatMap, heat_map
from pipeline.report.tables import Table

SCREEN = (
    "This is a screen, not a verdict: scores on frozen features rank trunks for fine-tuning only"
    " roughly, and affinities measured in training correlate weakly with what sharing really gains"
    " (It's a Match!, 2023, arXiv:2301.02873). `rootstock study` measures it."
)
HOW_AFFINITY = (
    "Row on column: what a step along one task's gradient does to another task's loss, in units of"
    " what the other's own step does (after TAG, Fifty et al. 2021): 1 is as good as its own step,"
    " below 0 is harm. An affinity within two standard errors of zero counts as none."
)
HOW_TRUNKS = (
    "Each score is computed from one forward pass, higher is better; no one score is always right,"
    " so trunks are ordered by their mean place over all scores and tasks."
)


@dataclass(frozen=True)
class AdvicePage:
    """What the template reads. notes: on the whole, on trunks, on affinities."""

    title: str
    answers: Sequence[str]
    notes: tuple[str, str, str]
    trunks: Sequence[Table]
    heat_maps: Sequence[HeatMap]
    groupings: Sequence[str]


def markdown(found: Advice, name: str) -> str:
    """The whole advice."""
    parts = [f"# Advice: {name}", *_sentences(found), SCREEN]
    if len(found.trunks) > 0:
        parts += ["## Trunks", HOW_TRUNKS, *(t.markdown() for t in _trunks(found))]
    if found.affinity is not None:
        parts += ["## Affinities", HOW_AFFINITY, _matrix(found.affinity), *_groupings(found)]
    return "\n\n".join(parts) + "\n"


def html(found: Advice, name: str) -> str:
    """The same as a page, with the affinities drawn."""
    affinity, heat_maps = found.affinity, []
    if affinity is not None:
        heat_maps = [
            heat_map(affinity.tasks, affinity.mean.tolist(), "affinity of row on column"),
            heat_map(affinity.tasks, affinity.cosine.tolist(), "cosines of the gradients"),
        ]
    return render(
        __name__,
        AdvicePage(
            title=f"Advice: {name}",
            answers=list(_sentences(found)),
            notes=(SCREEN, HOW_TRUNKS, HOW_AFFINITY),
            trunks=list(_trunks(found)),
            heat_maps=heat_maps,
            groupings=list(_groupings(found)),
        ),
    )


def _sentences(found: Advice) -> Iterator[str]:
    best = found.trunks[0]
    if len(found.trunks) > 1:
        yield (
            f"**Start from the trunk of `{best.name}`**: it is first by {best.firsts:.0%} of the"
            f" scores (mean place {best.rank:.1f} of {len(found.trunks)})."
        )
    groups, affinity = found.groups(), found.affinity
    if affinity is None:
        return
    harms = [
        f"`{one}` harms `{other}` while they train together: affinity"
        f" {affinity.mean[i, j]:+.2f} ± {affinity.error[i, j]:.2f}."
        for i, one in enumerate(affinity.tasks)
        for j, other in enumerate(affinity.tasks)
        if i != j and affinity.mean[i, j] < 0 and affinity.sure(i, j)
    ]
    if len(groups) == 1:
        why = "though some harm others" if harms else "no task is measured to harm another"
        yield f"**Train all tasks in one model**: {why}."
    elif len(groups) == len(affinity.tasks):
        yield "**Train a model for each task**: none is measured to help another."
    else:
        told = "; ".join(" with ".join(f"`{t}`" for t in group) for group in groups)
        yield f"**Train {len(groups)} models**: {told}."
    yield from harms


def _trunks(found: Advice) -> Iterator[Table]:
    for task, scores in found.trunks[0].scores.items():
        lines = [
            [
                t.name + (" (fresh weights)" if t.fresh else ""),
                *(f"{t.scores[task][s]:.4f}" for s in scores),
            ]
            for t in found.trunks
        ]
        yield Table([task, *scores], lines)


def _matrix(affinity: Affinity) -> str:
    lines = [
        [
            name,
            *(
                f"{m:+.2f} ± {e:.2f}"
                for m, e in zip(affinity.mean[i], affinity.error[i], strict=True)
            ),
        ]
        for i, name in enumerate(affinity.tasks)
    ]
    return Table(["step for, effect on", *affinity.tasks], lines).markdown()


def _groupings(found: Advice) -> Iterator[str]:
    if found.affinity is None:
        return
    names = found.affinity.tasks
    for models, grouping in found.by_models.items():
        told = "; ".join("+".join(names[t] for t in g) for g in grouping.groups)
        yield f"With {models} models at most: {told} (score {grouping.score:+.2f})."
