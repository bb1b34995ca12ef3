"""The report of advice, as Markdown and as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from pydantic_core import to_json

from components.charts import HeatMap, heat_map
from components.data.lazy import np
from pipeline.advise.advice import Advice, TaskAffinities
from pipeline.display import PIPED
from pipeline.report.tables import Table, as_markdown, as_text
from serving.pages import render

SCREENING = (
    "This is a screening, not a verdict. Scores on frozen features rank trunks only roughly for"
    " fine-tuning, and affinities measured in training correlate only weakly with what sharing"
    " gains (It's a Match!, 2023, arXiv:2301.02873). `rootstock study` measures the gain."
)
HOW_AFFINITY = (
    "Effect of row on column: how much a step along one task's gradient changes another task's"
    " loss, relative to that task's own step (after TAG, Fifty et al. 2021). 1 is as good as its"
    " own step; below 0 is harm. An affinity within two standard errors of zero counts as zero."
)
HOW_TRUNKS = (
    "How well the output of a trunk suits each task before any training of the trunk; higher is"
    " better. k-NN and linear probe: accuracy (for numbers: the share of variance explained) of the"
    " nearest neighbours and of a linear model. LogME, NLEEP, H-score: estimates of how well a"
    " simple model of the labels fits. No single score is always right, so trunks are ordered by"
    " their mean rank over all scores and tasks. Fresh weights: a trunk that is not pretrained."
)
HOW_GROUPS = (
    "Score of a grouping: for each task the mean affinity of the tasks that are trained with it,"
    " summed. It is 0 if every task has its own model, or if every affinity counts as zero."
)


@dataclass(frozen=True)
class AdvicePage:
    """The content of the page. notes: on screening, on trunks, on affinities.

    affinities: with standard errors.
    """

    title: str
    answers: Sequence[str]
    notes: tuple[str, str, str]
    trunks: Sequence[Table]
    heat_maps: Sequence[HeatMap]
    affinities: Table | None
    groupings: Sequence[str]


def data(advice: Advice) -> bytes:
    content = {
        "trunks": advice.trunks,
        "affinity": advice.affinity,
        "groups": advice.groups(),
        "by_models": advice.by_models,
    }
    return to_json(content, indent=1, fallback=np.ndarray.tolist)


def markdown(advice: Advice, name: str) -> str:
    return as_markdown(_parts(advice, name))


def text(advice: Advice, name: str) -> str:
    """The report for a terminal."""
    return as_text(_parts(advice, name), PIPED)


def _parts(advice: Advice, name: str) -> list[str | Table]:
    parts: list[str | Table] = [f"# Advice: {name}", *_sentences(advice), SCREENING]
    parts += ["## Trunks", HOW_TRUNKS, *_trunks(advice)]
    if advice.affinity is not None:
        parts += ["## Affinities", HOW_AFFINITY, _matrix(advice.affinity), *_groupings(advice)]
    return parts


def html(advice: Advice, name: str) -> str:
    heat_maps = []
    if (affinity := advice.affinity) is not None:
        matrices = {"affinity of row on column": affinity.mean}
        matrices |= {"cosines of the gradients": affinity.cosine}
        heat_maps = [heat_map(affinity.tasks, m.tolist(), title) for title, m in matrices.items()]
    return render(
        __name__,
        AdvicePage(
            title=f"Advice: {name}",
            answers=list(_sentences(advice)),
            notes=(SCREENING, HOW_TRUNKS, HOW_AFFINITY),
            trunks=list(_trunks(advice)),
            heat_maps=heat_maps,
            affinities=None if affinity is None else _matrix(affinity),
            groupings=list(_groupings(advice)),
        ),
    )


def _sentences(advice: Advice) -> Iterator[str]:
    best = advice.trunks[0]
    if len(advice.trunks) > 1:
        yield (
            f"**Start from the trunk of `{best.arm}`**: it is the best by"
            f" {100 * best.firsts:.0f} % of the scores (mean rank {best.rank:.1f} of"
            f" {len(advice.trunks)})."
        )
    groups, affinity = advice.groups(), advice.affinity
    if affinity is None:
        return
    harms = [
        f"`{one}` harms `{other}` when they are trained together: affinity"
        f" {affinity.mean[i, j]:+.2f} ± {affinity.error[i, j]:.2f}."
        for i, one in enumerate(affinity.tasks)
        for j, other in enumerate(affinity.tasks)
        if i != j and affinity.mean[i, j] < 0 and affinity.sure[i, j]
    ]
    if len(groups) == 1:
        why = "although some tasks harm others" if harms else "no task measurably harms another"
        yield f"**Train all tasks in one model**: {why}."
    elif len(groups) == len(affinity.tasks):
        yield "**Train one model for each task**: no task measurably helps another."
    else:
        listed = "; ".join(" with ".join(f"`{t}`" for t in group) for group in groups)
        yield f"**Train {len(groups)} models**: {listed}."
    yield from harms


def _trunks(advice: Advice) -> Iterator[Table]:
    for task, scores in advice.trunks[0].scores.items():
        lines = []
        for t in advice.trunks:
            name = f"{t.arm} (fresh weights)" if t.fresh else t.arm
            lines.append([name, *(f"{t.scores[task][s]:.4f}" for s in scores)])
        yield Table([task, *scores], lines)


def _matrix(affinity: TaskAffinities) -> Table:
    lines = []
    for task, means, errors in zip(affinity.tasks, affinity.mean, affinity.error, strict=True):
        cells = (f"{m:+.2f} ± {e:.2f}" for m, e in zip(means, errors, strict=True))
        lines.append([task, *cells])
    return Table(["row on column", *affinity.tasks], lines)


def _groupings(advice: Advice) -> Iterator[str]:
    if advice.affinity is None:
        return
    yield HOW_GROUPS
    names = advice.affinity.tasks
    for grouping, same in groupby(advice.by_models.items(), lambda item: item[1]):
        *fewer, most = [str(models) for models, _ in same]
        counts = f"{', '.join(fewer)} or {most}" if fewer else most
        listed = "; ".join("+".join(names[t] for t in g) for g in grouping.groups)
        noun = "model" if counts == "1" else "models"
        yield f"With at most {counts} {noun}: {listed} (score {grouping.score:+.2f})."
