"""Successive halving within a time budget (Jamieson and Talwalkar 2016, AISTATS).

Candidates first learn from a part of the training rows. The better third learns from three times as
many, and so on up to all rows. Classical models alone, and then the default, go ahead of the others
on all rows as soon as their time is likely to fit, so that there is a good model early. The default
needs the same classical models, which are fitted only once. Where there are none, a training of few
epochs goes ahead. If the default does not fit, it is trained for as long as there is time.

When all candidates had their turn, the time that is left is for combinations of the best ones, and
for the best ones from other random numbers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

from pipeline.auto.attempt import Attempt, attempt
from pipeline.auto.candidate import BRIEF, BRIEF_EPOCHS, DEFAULT, EXPERTS, LONGER, Choice, as_values
from pipeline.auto.progress import Progress, Step
from pipeline.auto.ranking import Metrics, best
from pipeline.auto.state import State, Trial, write_state
from pipeline.auto.variants import combinations_of, learns, longer, reseeded
from pipeline.auto.worker import Crashed, Overdue, Worker
from pipeline.spec.load import SpecSource

FEWEST_ROWS = 2000
"""The first candidates learn from so many training rows at least, if there are as many."""
KEPT = 3
"""One in so many candidates goes on, to so many times the rows."""
FIXED_S = 8.0
"""Seconds of a trial that hardly depend on its rows: building and tracing a model."""
HANGS, HANGS_S, HANGS_SHARE = 5.0, 60.0, 0.66
"""A trial is stopped after so many times the predicted seconds and so many more, but not before it
had this share of the time that was left: predictions from another candidate can be far too low."""
SEEDS = 4
"""The best candidate is trained from so many seeds, if there is time: for an ensemble."""
COMBINED = 3
"""So many of the best candidates are combined, two at a time."""
TAUGHT, TAUGHT_SHARE = 3.0, 0.4
"""A model that learns from an ensemble has so many times the rows. Candidates leave time for that,
if it is at most this share of the budget."""
SHARE, GUARD = 0.9, 0.95
"""`longer` has as many epochs as fit into this share of the time that is left; it ends after so
much of it in any case."""
SURE = 2.0
"""The time of the default is uncertain until it was trained: it is not begun without a limit unless
so many times the prediction fits, because what is stopped is lost."""
MOST_TIMES = 20.0
"""A training of known length has at most so many times the epochs of a short one."""
LEAST_LONGER_S = 5.0
"""Seconds of training without which it is not worth while."""
HOPE = 0.5
"""Time grows slower than rows, so a trial of classical models is begun if this share of the time in
proportion fits."""


@dataclass
class Clock:
    """A budget of seconds. before: what earlier commands spent. began: as of `time.monotonic`."""

    seconds: float
    before: float
    began: float = field(default_factory=time.monotonic)

    @property
    def spent(self) -> float:
        return self.before + time.monotonic() - self.began

    @property
    def end(self) -> float:
        """When the budget is over, as of `time.monotonic`."""
        return self.began + self.seconds - self.before

    def left(self) -> float:
        return self.end - time.monotonic()


def rungs(rows: int, labelled: int | None = None) -> list[int]:
    """Numbers of training rows to learn from, the last one all of them. labelled: how many of all
    have a label; all, if None.
    """
    sizes, share = [rows], 1.0 if labelled is None else labelled / rows
    while sizes[0] * share / KEPT >= FEWEST_ROWS and len(sizes) < 3:
        sizes.insert(0, round(sizes[0] / KEPT))
    return sizes


@dataclass
class Search:
    """A search in progress.

    reserve: seconds of the budget to leave for exporting, testing and pushing the winner.
    rows, labelled: of the training rows, all, and those with a label of the task that has the
        fewest (all, if None).
    untried: why candidates that should have been trained were not, by name.
    latency_ms: the longest time in which one row may be answered. Then candidates on all rows are
        exported and timed, and none is trained from other seeds: that time is for a model that
        learns from the ensemble.
    """

    source: SpecSource
    choices: Sequence[Choice]
    metrics: Metrics
    clock: Clock
    reserve: float
    file: Path
    state: State
    display: Progress
    rows: int
    untried: dict[str, str] = field(default_factory=dict)
    latency_ms: float | None = None
    labelled: int | None = None

    def run(self, worker: Worker) -> None:
        """Train candidates until the budget or the portfolio is at its end."""
        sizes = rungs(self.rows, self.labelled)
        alive = [c for c in self.choices if c.name != LONGER]
        self._go_ahead(sizes[0], worker)
        for rows in sizes:
            for choice in alive:
                if choice.name != BRIEF or not self._has(DEFAULT, rows):
                    self._train(choice, rows, worker, 1.0)
            names = [r.trial.name for r in self.metrics.ranked(self.state.at(rows))]
            kept = names[: max(2, math.ceil(len(names) / KEPT))]
            by_name = {c.name: c for c in alive}
            alive = [by_name[name] for name in kept if name in by_name]
        if self.latency_ms is None:
            self._combine(worker)
            for seed in range(2, SEEDS + 1):
                for again in self._first():
                    self._train(reseeded(again, seed), self.rows, worker, 1.0)

    def _combine(self, worker: Worker) -> None:
        """Train what two of the best candidates change, together."""
        ranked = [t.trial.name for t in self.metrics.ranked(self.state.at(self.rows))]
        order = [c.name for c in self.choices]
        best_of = sorted([n for n in ranked if n in order][:COMBINED], key=order.index)
        known = combinations_of(self.choices)
        for first, second in combinations(best_of, 2):
            if (both := known.get(f"{first} + {second}")) is not None:
                self._train(both, self.rows, worker, 1.0)

    def _first(self) -> list[Choice]:
        """The candidate to take, of which other seeds are worth while."""
        named = {c.name: c for c in self.choices if c.name != BRIEF} | combinations_of(self.choices)
        trained = [t for t in self.state.at(self.rows) if t.name in named]
        ranked = self.metrics.ranked(trained)
        return [named[best(ranked).trial.name]] if ranked else []

    def _go_ahead(self, fewest: int, worker: Worker) -> None:
        """Classical models alone, and then the default, on all rows if that is likely to fit."""
        named = {c.name: c for c in self.choices}
        default, experts, brief = (named.get(name) for name in (DEFAULT, EXPERTS, BRIEF))
        assert default is not None
        for first in filter(None, (experts, brief)):
            for rows in (fewest, self.rows):
                self._train(first, rows, worker, HOPE)
        if not self._has(EXPERTS, self.rows) and not self._has(BRIEF, self.rows):
            self._train(default, fewest, worker, HOPE)  # how long does it take?
        measured = any(t.name == DEFAULT and t.scores for t in self.state.trials)
        needed = self._predicted(default, self.rows) or 0.0
        if not measured and SURE * needed > self._left:
            self._train_longer(worker)
        self._train(default, self.rows, worker, 1.0)
        if not self._has(DEFAULT, self.rows):
            self._train_longer(worker)

    def _train_longer(self, worker: Worker) -> None:
        """Train the default for as long as there is time: with a falling learning rate where the
        time of an epoch is known, else as it is. A plan that was begun before is kept, so that it
        goes on from its checkpoint.
        """
        changes = self.state.longer or self._plan(self._left)
        if changes and self.state.of(LONGER, self.rows) is None:
            self.state = replace(self.state, longer=changes)
            self.choices = [*(c for c in self.choices if c.name != LONGER), longer(changes)]
            self._train(self.choices[-1], self.rows, worker, 0.0)

    def _plan(self, left: float) -> tuple[str, ...]:
        """What `longer` changes; nothing if there is too little time for it."""
        brief, experts = (self.state.of(name, self.rows) for name in (BRIEF, EXPERTS))
        if brief and brief.scores:
            fixed = min(FIXED_S, brief.seconds / 2)
            times = (SHARE * left - fixed) / (brief.seconds - fixed)
            if times < 1.5:
                return ()
            times = min(times, MOST_TIMES)
            epochs = f"training.epochs={int(times * BRIEF_EPOCHS)}"
            return (epochs, f"training.seconds={GUARD * left - fixed:.0f}")
        fixed = FIXED_S if experts is None else max(FIXED_S, experts.seconds / 2)
        seconds = GUARD * left - fixed
        known = experts is not None and experts.scores is not None
        return (f"training.seconds={seconds:.0f}",) if known and seconds > LEAST_LONGER_S else ()

    @property
    def _left(self) -> float:
        """Seconds for training."""
        return self.clock.left() - self.reserve - self._for_distillation()

    @property
    def _limited(self) -> Trial | None:
        """`longer`, if it was trained and is the default with nothing but a limit of time."""
        trial = self.state.of(LONGER, self.rows) if len(self.state.longer) == 1 else None
        return trial if trial and trial.scores else None

    def _unlimited(self, trial: Trial) -> bool:
        """Whether a training with a limit ended before it, so that without it is the same."""
        return trial.seconds < _seconds_of(trial.overrides)

    def _has(self, name: str, rows: int) -> bool:
        trial = self.state.of(name, rows)
        return trial is not None and trial.scores is not None

    def _train(self, choice: Choice, rows: int, worker: Worker, hope: float) -> None:
        """Train a candidate on some rows, unless it was tried or its time does not fit."""
        if self.state.of(choice.name, rows) is not None:
            return
        limited = self._limited if choice.name == DEFAULT and rows == self.rows else None
        if limited and self._unlimited(limited):
            return  # it would be the same
        left = self._left
        needed = self._predicted(choice, rows)
        if left <= 0 or (needed or 0.0) * hope > left:
            wanted = "" if needed is None else f" needs about {needed:.0f} s, and"
            self.untried[choice.name] = (
                f"on {rows:,} rows it{wanted} {max(left, 0):.0f} s of the budget were left"
            )
            return
        self.untried.pop(choice.name, None)
        self.display.began(Step(choice.name, f"{rows:,} rows", needed, self.clock.end))
        overrides = list(choice.overrides)
        if rows < self.rows:
            overrides.append(f"training.subset={{rows: {rows}}}")
        timed, began = self.latency_ms is not None and rows == self.rows, time.monotonic()
        end, hangs = began + left, math.inf
        if needed is not None:
            hangs = began + max(HANGS * needed + HANGS_S, HANGS_SHARE * left)
        try:
            ends = end - FIXED_S / 2  # what follows training takes time, too
            done = worker(attempt, self.source, overrides, timed, ends, until=min(end, hangs))
        except Overdue:
            if hangs >= end:
                self.untried[choice.name] = f"stopped after {left:.0f} s, at the end of the budget"
                self.display.ended(self.untried[choice.name])
                return
            done = Attempt(hangs - began, reason=_hung(hangs - began, needed or 0.0))
        except Crashed as e:
            done = Attempt(left - (end - time.monotonic()), reason=str(e))
        self._end(choice, rows, done)

    def _end(self, choice: Choice, rows: int, done: Attempt) -> None:
        """Keep what came of a trial."""
        trial = Trial(
            name=choice.name,
            overrides=choice.overrides,
            rows=rows,
            seconds=round(done.seconds, 1),
            scores=done.scores,
            place=done.place,
            reason=done.reason,
            ended=time.time(),
        )
        self.state = self.state.with_trial(trial, done.served_ms)
        self.save()
        self.display.ended(self._told(trial), self._best_so_far())

    def save(self) -> None:
        """Write the state, with the seconds spent until now."""
        self.state = replace(self.state, spent=round(self.clock.spent, 1))
        write_state(self.state, self.file)

    def teaching(self, like: Trial) -> float:
        """Seconds in which a model like a candidate would learn from an ensemble."""
        return FIXED_S + TAUGHT * max(like.seconds - FIXED_S, 0.0)

    def _for_distillation(self) -> float:
        """Seconds to leave for a model that learns from the ensemble, if one is fast enough."""
        if self.latency_ms is None:
            return 0.0
        times, limit = self.state.latencies, self.latency_ms
        fast = [t for t in self.state.at(self.rows) if times.get(t.name, math.inf) <= limit]
        needed = min((self.teaching(t) for t in fast if learns(t)), default=0.0)
        return needed if needed <= TAUGHT_SHARE * self.clock.seconds else 0.0

    def _predicted(self, choice: Choice, rows: int) -> float | None:
        """Seconds of a trial, from others; None if there are none.

        The same candidate on fewer rows says most; growth is that of the default, or in proportion.
        Else the default on the same rows stands for all, and for the default the classical models
        that it contains: fitting them takes most of the time on many data sets.
        """
        if choice.name == LONGER:
            return _seconds_of(choice.overrides) + FIXED_S
        if choice.name == DEFAULT and rows == self.rows and (limited := self._limited):
            return SURE * limited.seconds  # it was cut
        mine = [t for t in self.state.trials if t.name == choice.name]
        own = [t for t in mine if t.scores and t.rows < rows]
        if own:
            last = max(own, key=lambda t: t.rows)
            growth = rows / last.rows
            before, after = (self.state.of(DEFAULT, r) for r in (last.rows, rows))
            if before and after and before.scores and after.scores:
                growth = max(1.0, after.seconds / max(before.seconds, 0.1))
            fixed = min(FIXED_S, last.seconds)
            return max(last.seconds, fixed + (last.seconds - fixed) * growth)
        named = {c.name: c for c in self.choices}
        alike_to = (DEFAULT, *([LONGER] if self._limited else ()), EXPERTS, BRIEF)
        for known in filter(None, map(named.get, alike_to)):
            alike = self.state.of(known.name, rows)
            if alike and alike.scores:  # one that failed says nothing
                return choice.cost * alike.seconds / known.cost
        return None

    def _best_so_far(self) -> str:
        if (rows := last_rung(self.state)) is None:
            return ""
        trial = best(self.metrics.ranked(self.state.at(rows))).trial
        return f"Best so far: {trial.name}, {self._told(trial)}"

    def _told(self, trial: Trial) -> str:
        if trial.scores is None:
            return f"failed after {trial.seconds:.0f} s: {trial.reason.splitlines()[-1]}"
        parts = []
        for task, metric in self.metrics.metrics.items():
            value = trial.scores.values[task].get(metric)
            parts.append(f"{task} {metric} {'undefined' if value is None else f'{value:.4f}'}")
        return f"{', '.join(parts)}; {trial.seconds:.0f} s"


def _seconds_of(overrides: Sequence[str]) -> float:
    """The limit of a training."""
    return float(str(as_values(overrides)["training.seconds"]))


def _hung(seconds: float, needed: float) -> str:
    return f"stopped after {seconds:.0f} s, because about {needed:.0f} s were expected"


def last_rung(state: State) -> int | None:
    """The largest number of rows on which a candidate has scores."""
    return max((t.rows for t in state.trials if t.scores is not None), default=None)
