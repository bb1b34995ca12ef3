"""Metrics of multilabel tasks. outputs [rows, classes]: a probability for each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from components.data.lazy import Floats, Mask, np
from components.evaluation.metrics.arrays import divided, mean_of_defined
from components.evaluation.metrics.family import Family, Predictions, Ratio, Scores
from components.evaluation.metrics.ranking import Ranking

_ONE_VALUE = "no class has both rows that carry it and rows that do not"
_ABSENT = "no labelled row carries a class"
_NOTHING = "no labelled row carries a class, and none is predicted"


@final
class Multilabel(Family):
    """Macro averages are over the classes for which the metric is defined."""

    names = (
        "micro_auc",
        "macro_auc",
        "micro_auprc",
        "macro_auprc",
        "micro_f1",
        "macro_f1",
        "exact_match",
        "hamming_loss",
    )
    reasons = {  # noqa: RUF012 - a constant
        **dict.fromkeys(("micro_auc", "macro_auc"), _ONE_VALUE),
        **dict.fromkeys(("micro_auprc", "macro_auprc"), _ABSENT),
        **dict.fromkeys(("micro_f1", "macro_f1"), _NOTHING),
    }
    by_chance = ("macro_auc", 0.5)
    lower_is_better = frozenset({"hamming_loss"})
    relative_margin = frozenset[str]()
    has_decision = True
    decided_by = {"micro_f1": "f1", "macro_f1": "f1"}  # noqa: RUF012 - a constant
    row_error = "hamming_loss"

    def values(self, rows: Predictions, weights: Floats) -> dict[str, Floats]:
        yes, predicted, outputs = *_decided(rows), rows.outputs
        total = weights.sum(axis=1)
        hits = weights @ (yes & predicted).astype(np.float64)
        either = weights @ (yes.astype(np.float64) + predicted)
        curves = [Ranking.of(yes[:, c], outputs[:, c], weights) for c in range(yes.shape[1])]
        aucs, precisions = zip(*((c.auc(), c.average_precision()) for c in curves), strict=True)
        every = Ranking.of(yes.ravel(), outputs.ravel(), np.repeat(weights, yes.shape[1], axis=1))
        return {
            "micro_auc": every.auc(),
            "macro_auc": mean_of_defined(np.stack(aucs, axis=1)),
            "micro_auprc": every.average_precision(),
            "macro_auprc": mean_of_defined(np.stack(precisions, axis=1)),
            "micro_f1": divided(2 * hits.sum(axis=1), either.sum(axis=1)),
            "macro_f1": mean_of_defined(divided(2 * hits, either)),
            "exact_match": divided(weights @ (yes == predicted).all(axis=1), total),
            "hamming_loss": divided(weights @ (yes != predicted).mean(axis=1), total),
        }

    def ratios(self, rows: Predictions) -> dict[str, Ratio]:
        yes, predicted = _decided(rows)
        wrong, hits, either = yes != predicted, yes & predicted, yes | predicted
        cells = np.full(len(yes), float(yes.shape[1]))
        by_row = [(m.sum(axis=1).astype(np.float64)) for m in (wrong, hits, either)]
        return {
            "micro_f1": Ratio(by_row[1], by_row[2], "f1"),
            "exact_match": Ratio.of(~wrong.any(axis=1)),
            "hamming_loss": Ratio(by_row[0], cells),
        }

    def rankings(self, rows: Predictions) -> dict[str, Scores]:
        yes, _ = _decided(rows)
        return {"micro_auc": Scores(yes.ravel(), rows.outputs.ravel(), yes.shape[1])}

    def decisive(self, rows: Predictions, classes: Sequence[str]) -> dict[str, Mask]:
        yes, _ = _decided(rows)
        present = [c for c in range(yes.shape[1]) if yes[:, c].any()]
        return {repr(classes[c]): yes[:, c] for c in present} or super().decisive(rows, classes)


def _decided(rows: Predictions) -> tuple[Mask, Mask]:
    """Bool [rows, classes]: which labels are true, and which are predicted."""
    return rows.labels > 0.5, rows.outputs > rows.decision
