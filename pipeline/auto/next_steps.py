"""What to do next: more rows, which labels, which columns, which tasks together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from components.artifacts import Examples, ExportedModel
from models.description import read_description
from models.tasks.base import TaskTarget
from pipeline.auto.candidate import DEFAULT
from pipeline.auto.importance import Importance, importance
from pipeline.auto.more_rows import MoreRows, more_rows
from pipeline.auto.ranking import Metrics
from pipeline.auto.state import State

if TYPE_CHECKING:
    from serving.server.saved_model import SavedModel

APART = "apart"
FEW_LABELS, SMALL_SHARE = 100, 0.1
"""A class with fewer labelled rows, or a smaller share of them, is scarce."""
LEAST_S, MOST_S = 1.0, 20.0
"""Seconds to measure columns in; they are not measured in fewer."""

NO_TIME = "Which columns carry the answer was not measured: no time of the budget was left."


@dataclass(frozen=True)
class NextSteps:
    """Sentences, and the figures behind them."""

    sentences: tuple[str, ...]
    more_rows: tuple[MoreRows, ...] = ()
    columns: Importance | None = None

    def as_dict(self) -> dict[str, object]:
        falls = self.columns.falls if self.columns else ()
        return {
            "sentences": self.sentences,
            "more_rows": [asdict(m) for m in self.more_rows],
            "columns": [asdict(f) for f in falls],
        }


NOTHING = NextSteps(())


def next_steps(
    state: State,
    metrics: Metrics,
    rows: int,
    learned: int,
    model: ExportedModel,
    served: SavedModel,
    examples: Examples,
    key: Sequence[str],
    left: float,
) -> NextSteps:
    """rows: all training rows. learned: those that the served model learned from. served: the
    loaded SavedModel of `model`. left: seconds in which to end.
    """
    more = tuple(more_rows(state, metrics, rows))
    sentences = [m.sentence() for m in more] or [_no_curve(state, rows)]
    sentences += [s for t in read_description(model.path).targets for s in scarce(t, learned)]
    columns = None
    if left < LEAST_S:
        sentences.append(NO_TIME)
        return NextSteps((*sentences, *together(state, metrics)), more)
    try:
        columns = importance(model, served, examples, key, metrics, min(left, MOST_S))
    except Exception as e:  # the model is pushed: a problem with this figure must not hide that
        sentences.append(f"Which columns carry the answer could not be measured: {e}")
    else:
        sentences += columns.sentences()
    return NextSteps((*sentences, *together(state, metrics)), more, columns)


def _no_curve(state: State, rows: int) -> str:
    why = "there was no time to train a candidate on all rows and on fewer"
    if all(t.rows == rows for t in state.trials):
        why = f"with {rows:,} training rows all candidates learn from all of them"
    return f"Whether more training rows would pay is not known: {why}."


def scarce(target: TaskTarget, rows: int) -> Iterator[str]:
    """Which labels of a task there are few of."""
    if target.labelled < rows:
        yield f"{target.name}: {target.labelled:,} of {rows:,} training rows have the label."
    counts = dict(zip(target.classes, target.class_counts, strict=False))
    few = {c: n for c, n in counts.items() if n < FEW_LABELS or n < SMALL_SHARE * target.labelled}
    if few and target.labelled:
        ranked = sorted(few, key=lambda c: few[c])
        said = ", ".join(f"{c} {few[c]:,}" for c in ranked[:3])
        more = f", and {len(few) - 3} more classes" if len(few) > 3 else ""
        rows_of = f"{target.labelled:,} labelled training rows"
        yield f"{target.name}: scarce among {rows_of}: {said}{more}."


def together(state: State, metrics: Metrics) -> Iterator[str]:
    """Whether tasks gain from a trunk in common, if the search compared that."""
    if len(metrics.metrics) < 2:
        return
    pairs = [(state.of(DEFAULT, t.rows), t) for t in state.trials if t.name == APART]
    both = [(a, b) for a, b in pairs if a and a.scores and b.scores]
    if not both:
        yield "Which tasks help each other was not measured: `apart` was not trained."
        return
    shared, apart = max(both, key=lambda pair: pair[1].rows)
    assert shared.scores is not None
    assert apart.scores is not None
    for task, metric in metrics.metrics.items():
        own = replace(metrics, metrics={task: metric})
        gain = own.gain(shared.scores, apart.scores)
        error = own.error(shared.scores, apart.scores)
        told = "cannot be told"
        if abs(gain) > error:
            told = "helps" if gain > 0 else "harms"
        yield (
            f"{task}: a trunk shared with the other tasks {told}, beside a trunk for each task:"
            f" {gain:+.2f} ± {error:.2f} % of {metric} ({shared.rows:,} rows)."
        )
