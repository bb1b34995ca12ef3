"""The leaderboard of a search, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from components.data.lazy import np
from components.experiments.scorer import ScoreFigures
from pipeline.auto.candidate import Choice
from pipeline.auto.next_steps import NOTHING, NextSteps
from pipeline.auto.ranking import Metrics, Ranked, best
from pipeline.auto.search import last_rung
from pipeline.auto.state import Ensemble, State, Trial
from pipeline.report.tables import Table

ENSEMBLE, DISTILLED = "ensemble", "distilled"


@dataclass(frozen=True)
class Leaderboard:
    """What came of a search.

    rows: all training rows. minutes: asked for. untried: why candidates were not trained, by name.
    next_steps: what to do about the data. answers: what calibration and thresholds do. rest: why
    time was left, if there was. served: what is served, if that is not simply the best, for the
    reason `because`.
    """

    state: State
    choices: Mapping[str, Choice]
    metrics: Metrics
    rows: int
    minutes: float
    untried: Mapping[str, str]
    next_steps: NextSteps = NOTHING
    answers: tuple[str, ...] = ()
    rest: str = ""
    served: str = ""
    because: str = ""

    @property
    def ensemble(self) -> Ensemble | None:
        """Of the candidates that cannot be told from the best, if there are several."""
        return self.state.ensemble

    @cached_property
    def first_rung(self) -> list[Ranked]:
        """The candidates that learned from the most rows, best first."""
        rows = last_rung(self.state)
        assert rows is not None, "a search without any result has no leaderboard"
        return self.metrics.ranked(self.state.at(rows))

    @property
    def reference(self) -> str:
        """The candidate that gains are measured from."""
        return next(r.trial.name for r in self.first_rung if r.reference)

    @property
    def winner(self) -> Trial:
        """What is served: the ensemble, a model that learned from it, or one candidate."""
        if not self.served:
            return self.best
        if self.served == DISTILLED and self.state.distilled is not None:
            return self.state.distilled
        return next(r.trial for r in self.ranked if r.trial.name == self.served)

    @property
    def best(self) -> Trial:
        """The best by validation rows, however slow it is: the ensemble, or one candidate."""
        single = best(self.first_rung).trial
        if self.ensemble is None:
            return single
        assert single.scores is not None
        if self.metrics.gain(self.ensemble.scores, single.scores) < 0:
            return single
        return self._of_ensemble(self.ensemble)

    @property
    def members(self) -> Mapping[str, float]:
        """The share of each candidate in what is served, or in what that learned from."""
        winner = self.winner
        if winner.name in (ENSEMBLE, DISTILLED) and self.ensemble is not None:
            return self.ensemble.shares
        return {winner.name: 1.0}

    @property
    def ranked(self) -> list[Ranked]:
        """All candidates: those on the most rows first, then those on fewer."""
        found: list[Ranked] = []
        for rows in sorted({t.rows for t in self.state.trials}, reverse=True):
            names = {r.trial.name for r in found}
            trials = list(self.state.at(rows))
            if not found and self.ensemble is not None and trials:
                trials.append(self._of_ensemble(self.ensemble))
            if not found and self.state.distilled is not None:
                trials.append(self.state.distilled)
            found += [r for r in self.metrics.ranked(trials) if r.trial.name not in names]
        return found

    def why(self) -> str:
        """One or two sentences on the choice."""
        return " ".join(filter(None, [self._why_best(), self.because]))

    def _why_best(self) -> str:
        winner, ranked = self.best, self.first_rung
        assert winner.scores is not None
        on, first = f"on {winner.scores.rows:,} labelled validation rows", ranked[0]
        if winner.name == ENSEMBLE and self.ensemble is not None:
            own = next(r for r in self.ranked if r.trial.name == ENSEMBLE)
            names = ", ".join(f"{name} {share:.2f}" for name, share in self.ensemble.shares.items())
            return (
                f"the mean of {names}: {on} none of them can be told from the best, and together"
                f" they have {_percent(own)} over {self.reference}."
            )
        if len(ranked) == 1:
            return f"{winner.name}: no other candidate learned from as many rows."
        if winner.name in self.metrics.expected and winner.name == self.reference:
            return (
                f"{winner.name}: with so few labels it is likely to be best (docs/transfer.md, Few"
                f" labels), and {on} no other candidate is clearly better."
            )
        if winner.name != first.trial.name:
            return (
                f"{winner.name}: {on} the best other candidate, {first.trial.name}, is ahead by"
                f" {_percent(first)}, which is within the noise of so few rows."
            )
        if winner.name == self.reference:
            second = ranked[1]
            return f"{winner.name}: best {on}; the next, {second.trial.name}: {_percent(second)}."
        return f"{winner.name}: {_percent(first)} over {self.reference} {on}."

    def table(self) -> Table:
        metrics = self.metrics.metrics
        header = ["", "candidate", "rows", *(f"{t} {m}" for t, m in metrics.items())]
        lines = []
        for place, r in enumerate(self.ranked, 1):
            scores = r.trial.scores
            assert scores is not None
            cells = [_cell(scores, t, m) for t, m in metrics.items()]
            ms = self.state.latencies.get(r.trial.name, scores.latency_ms)
            costs = [f"{r.trial.seconds:.0f}", f"{scores.size_mb:.1f}", f"{ms:.1f}"]
            gain = "" if r.reference else _percent(r)
            lines.append([str(place), r.trial.name, f"{r.trial.rows:,}", *cells, gain, *costs])
        return Table([*header, "gain", "seconds", "MB", "ms"], lines)

    def note(self) -> str:
        """How to read the table."""
        return (
            "Metrics on validation rows, ± a standard error. Gain: over"
            f" {self.reference} on the same training rows, in percent, mean over"
            " tasks. MB: files of the trained model. ms: for"
            " one row, of the exported model where it was measured, else in Keras; an ensemble"
            " takes the sum."
        )

    def changes(self) -> list[tuple[str, str]]:
        """What each candidate that was trained is, by name."""
        tried = {r.trial.name for r in self.ranked}
        return [(n, c.about) for n, c in self.choices.items() if n in tried]

    def markdown(self) -> str:
        return "\n\n".join(self._paragraphs()) + "\n"

    def left_out(self) -> list[str]:
        """What failed, and what there was no time for."""
        failed = [t for t in self.state.trials if t.scores is None]
        lines = [f"{t.name}, {t.rows:,} rows: {t.reason.splitlines()[-1]}" for t in failed]
        return lines + [f"{name}: not trained: {why}" for name, why in self.untried.items()]

    def as_json(self) -> str:
        trials: list[dict[str, Any]] = [
            {
                "candidate": r.trial.name,
                "rows": r.trial.rows,
                "gain": r.gain if np.isfinite(r.gain) else None,
                "gain_error": r.error if np.isfinite(r.error) else None,
                "seconds": r.trial.seconds,
                "validation": r.trial.scores and r.trial.scores.values,
                "parameters": r.trial.scores and r.trial.scores.parameters,
                "latency_ms": r.trial.scores and r.trial.scores.latency_ms,
                "exported_latency_ms": self.state.latencies.get(r.trial.name),
                "size_mb": r.trial.scores and r.trial.scores.size_mb,
                "overrides": self.choices[r.trial.name].overrides
                if r.trial.name in self.choices
                else None,
            }
            for r in self.ranked
        ]
        content = {
            "winner": self.winner.name,
            "members": self.members,
            "why": self.why(),
            "metrics": self.metrics.metrics,
            "minutes": self.minutes,
            "seconds": self.state.spent,
            "rows": self.rows,
            "candidates": trials,
            "left_out": self.left_out(),
            "answers": self.answers,
            "next": self.next_steps.as_dict(),
        }
        return json.dumps(content, indent=1)

    def _paragraphs(self) -> Iterator[str]:
        yield f"# {self.state.request.data}: {', '.join(self.metrics.metrics)}"
        yield f"Winner: {self.why()}"
        yield self.note()
        yield self.table().markdown()
        yield "\n".join(f"- {name}: {about}" for name, about in self.changes())
        if self.answers:
            yield "The served answers:\n" + "\n".join(f"- {s}" for s in self.answers)
        yield from self.left_out()
        if self.rest:
            yield self.rest
        if self.next_steps.sentences:
            yield "What to do next:\n" + "\n".join(f"- {s}" for s in self.next_steps.sentences)

    def _of_ensemble(self, ensemble: Ensemble) -> Trial:
        rows = last_rung(self.state)
        assert rows is not None
        trials = [t for t in self.state.at(rows) if t.name in ensemble.shares]
        seconds = sum(t.seconds for t in trials)
        return Trial(name=ENSEMBLE, rows=rows, seconds=seconds, scores=ensemble.scores)


def _percent(ranked: Ranked) -> str:
    if not np.isfinite(ranked.gain):
        return "no defined gain"
    error = f" ± {ranked.error:.2f}" if np.isfinite(ranked.error) else ""
    return f"{ranked.gain:+.2f}{error} %"


def _cell(scores: ScoreFigures, task: str, metric: str) -> str:
    value = scores.values[task].get(metric)
    if value is None:
        return "undefined"
    known = [v for v in scores.resampled[task][metric] if v is not None]
    spread = f" ± {np.std(known, ddof=1):.4f}" if len(known) > 1 else ""
    return f"{value:.4f}{spread}"
