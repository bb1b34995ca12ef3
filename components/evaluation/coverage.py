"""How often the intervals and sets of a model hold the right label, and how large they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.data.lazy import np
from components.evaluation.assessment import Answers
from components.evaluation.intervals import Interval
from components.evaluation.metrics import Ratio
from components.evaluation.ratios import of_share
from components.labels.encoding import labelled


@dataclass(frozen=True)
class Covered:
    """rows: with a label. share: of them whose label is inside. interval: of the share; None for
    too few rows. mean_size: width of the intervals, in the label's unit, or classes in the sets.
    """

    asked: float
    rows: int
    share: float
    interval: Interval | None
    mean_size: float


def covered(
    asked: float, answers: Answers, region: Mapping[str, np.ndarray], level: float
) -> Covered | None:
    """The coverage of one task; None if no row has its label.

    region: by name, as `Head.region` answers, for the rows of `answers`. level: of the interval.
    """
    known = labelled(answers.labels)
    if not known.any():
        return None
    labels = answers.labels[known]
    parts = {name: values[known] for name, values in region.items()}
    if "set" in parts:
        inside = parts["set"][np.arange(len(labels)), labels.astype(np.int64)].astype(bool)
        sizes = parts["set"].sum(axis=1)
    else:
        lower, upper = (parts[name][:, 0].astype(np.float64) for name in ("lower", "upper"))
        inside, sizes = (lower <= labels) & (labels <= upper), upper - lower
    ratio, drawn = Ratio.of(inside), answers.on(known).drawn
    return Covered(
        asked=asked,
        rows=len(labels),
        share=ratio.value(drawn.weights),
        interval=of_share(ratio, drawn, level),
        mean_size=float(np.average(sizes, weights=drawn.weights)),
    )
