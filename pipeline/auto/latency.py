"""A bound on latency: what is served answers one row within so many milliseconds.

The exported model is measured. If the best is an ensemble that is too slow, one model learns from
it (`components.training.distillation`): that with the structure of the best candidate that is fast
enough. It is served if validation rows say that it is better than that candidate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from components.errors import RootstockError
from pipeline.auto.attempt import distil, latency_of
from pipeline.auto.leaderboard import DISTILLED, ENSEMBLE, Leaderboard
from pipeline.auto.progress import Step
from pipeline.auto.ranking import Ranked, best
from pipeline.auto.search import Search
from pipeline.auto.served_spec import write_spec
from pipeline.auto.state import Trial
from pipeline.auto.variants import learns
from pipeline.auto.worker import Crashed, Overdue, Worker

MOST_MEASURED = 4
"""Candidates that are exported to be timed, besides the best."""
HOPE = 2.0
"""An exported model may be so many times faster than the estimate: of Keras, or the sum of the
members of an ensemble."""


def within_latency(
    board: Leaderboard, search: Search, worker: Worker, directory: Path
) -> Leaderboard:
    """The leaderboard with something to serve that is fast enough.

    Raises:
        RootstockError: nothing is.
    """
    return Bound(search, worker, directory).held(board)


@dataclass
class Bound:
    """directory: of the search; `best.yaml` there is the last spec that was tried."""

    search: Search
    worker: Worker
    directory: Path

    def held(self, board: Leaderboard) -> Leaderboard:
        limit, first = self.search.latency_ms, board.best.name
        assert limit is not None
        took = self._sum_of_members(board) if first == ENSEMBLE else 0.0
        if took <= HOPE * limit:
            took = self.measured(board, first)
        if took <= limit:
            return self.told(board, first, f"It answers one row in {took:.2f} ms.")
        slow = f"{first} {self._too_slow(first, took)}:"
        fast = self.fastest(board)
        if fast is None:
            raise RootstockError(self._none_is_fast(limit))
        name, own = fast.trial.name, self.search.state.latencies[fast.trial.name]
        if first == ENSEMBLE:
            student = self.taught(board, fast.trial)
            if student is not None and student.scores and fast.trial.scores:
                metrics = board.metrics
                gain = metrics.gain(student.scores, fast.trial.scores)
                error = metrics.error(student.scores, fast.trial.scores)
                beside = f"{gain:+.2f} ± {error:.2f} % beside {name}"
                learned = f"one model like {name} that learned from it"
                if gain <= 0:
                    slow = f"{slow} {learned} is no better ({beside});"
                else:
                    took = self.measured(replace(board, state=self.search.state), DISTILLED)
                    if took <= limit:
                        slow = f"{slow} one model like {name} learned from it, and is served"
                        slow = f"{slow} instead ({took:.2f} ms, {beside})."
                        return self.told(board, DISTILLED, slow)
                    slow = f"{slow} {learned} {self._too_slow(DISTILLED, took)};"
            elif DISTILLED in self.search.untried:
                slow = (
                    f"{slow} one model could not learn from it ({self.search.untried[DISTILLED]});"
                )
        return self.told(board, name, f"{slow} {name} is served, which takes {own:.2f} ms.")

    def told(self, board: Leaderboard, name: str, because: str) -> Leaderboard:
        return replace(board, state=self.search.state, served=name, because=because)

    def measured(self, board: Leaderboard, name: str) -> float:
        """Milliseconds for one row of an exported model; infinite if there was no time for it."""
        if (known := self.search.state.latencies.get(name)) is not None:
            return known
        self.search.display.began(Step(name, "timing its answers", None, self.search.clock.end))
        path = write_spec(replace(board, served=name), self.search.source, self.directory)
        try:
            took = self.worker(latency_of, path, until=self.search.clock.end)
        except (Overdue, Crashed) as e:
            why = self.search.untried[f"timing {name}"] = str(e) or "there was no time"
            self.search.display.ended(why)
            return float("inf")
        self.search.display.ended(f"{took:.2f} ms for one row")
        latencies = {**self.search.state.latencies, name: took}
        self.search.state = replace(self.search.state, latencies=latencies)
        self.search.save()
        return took

    def _too_slow(self, name: str, took: float) -> str:
        if math.isinf(took):
            return f"could not be timed ({self.search.untried[f'timing {name}']})"
        about = "" if name in self.search.state.latencies else "about "
        return f"answers one row in {about}{took:.2f} ms, more than {self.search.latency_ms:g}"

    def _sum_of_members(self, board: Leaderboard) -> float:
        """Milliseconds of those that were timed. An ensemble takes less: it has one signature."""
        return sum(self.search.state.latencies.get(name, 0.0) for name in board.members)

    def _none_is_fast(self, limit: float) -> str:
        kept = "Nothing was pushed. Run the same command with a higher"
        timed = sorted(self.search.state.latencies.items(), key=lambda pair: pair[1])
        if not timed:
            return (
                f"--latency-ms {limit:g}: there was no time to measure how fast candidates answer."
                f" {kept} --minutes: all trials are kept."
            )
        name, took = timed[0]
        return (
            f"--latency-ms {limit:g}: no candidate answers that fast. The fastest here, {name},"
            f" takes {took:.2f} ms for one row. {kept} --latency-ms: all trials are kept."
        )

    def fastest(self, board: Leaderboard) -> Ranked | None:
        """The best candidate that is fast enough."""
        limit, times = self.search.latency_ms, self.search.state.latencies
        assert limit is not None
        known = [r for r in board.first_rung if times.get(r.trial.name, math.inf) <= limit]
        if known:
            return best(known)
        for ranked in self._options(board):
            if self.measured(board, ranked.trial.name) <= limit:
                return ranked
        return None

    def _options(self, board: Leaderboard) -> Iterator[Ranked]:
        """Candidates that may be fast enough, best first, and then the fastest of the others."""
        limit, others = self.search.latency_ms, board.first_rung
        assert limit is not None
        hopeful = [r for r in others if _latency(r.trial) <= HOPE * limit]
        rest = sorted((r for r in others if r not in hopeful), key=lambda r: _latency(r.trial))
        yield from [*hopeful, *rest[:1]][:MOST_MEASURED]

    def taught(self, board: Leaderboard, like: Trial) -> Trial | None:
        """A model like a candidate that learned from the ensemble; None if there was no time."""
        search = self.search
        if search.state.distilled is not None:
            return search.state.distilled
        if not learns(like):
            search.untried[DISTILLED] = "classical models do not learn from answers"
            return None
        left, needed = search.clock.left() - search.reserve, search.teaching(like)
        if needed > left:
            why = f"it needs about {needed:.0f} s, and {max(left, 0):.0f} s of the budget were left"
            search.untried[DISTILLED] = why
            return None
        search.display.began(Step(DISTILLED, f"like {like.name}", needed, search.clock.end))
        student = replace(like, name=DISTILLED, scores=None, place="")
        state = replace(search.state, distilled=student)
        path = write_spec(
            replace(board, state=state, served=DISTILLED), search.source, self.directory
        )
        try:
            done = self.worker(distil, path, until=search.clock.end - search.reserve)
        except (Overdue, Crashed) as e:
            self._not_taught(str(e) or "stopped at the end of the budget")
            return None
        if done.scores is None:
            self._not_taught(done.reason.splitlines()[-1])
            return None
        search.display.ended(f"{done.seconds:.0f} s")
        student = replace(student, seconds=round(done.seconds, 1), scores=done.scores)
        search.state = replace(search.state, distilled=replace(student, place=done.place))
        search.save()
        return search.state.distilled

    def _not_taught(self, why: str) -> None:
        self.search.untried[DISTILLED] = why
        self.search.display.ended(why)


def _latency(trial: Trial) -> float:
    assert trial.scores is not None
    return trial.scores.latency_ms
