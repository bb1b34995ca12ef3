"""The part of the budget that is kept for the end, and what is left of the budget."""

from __future__ import annotations

from pipeline.auto.search import Search

RESERVE_S, MEMBER_S, RESERVED = 12.0, 6.0, 0.05
"""Kept for exporting, testing and pushing the winner: so many seconds, and so many for each model
of an ensemble; at least this share of the budget.
"""
START_S, MOST_RESERVED = 4.0, 0.4
"""Seconds in which a process imports TensorFlow on a machine where the seconds above are enough.
Where it takes longer, more are kept, in proportion, but at most this share of the budget."""
SAID = 1.1
"""If so many times as much is kept, a line says so."""
TIMING_S = 12.0
"""Kept besides for timing an ensemble, or a candidate."""
UNUSED = 0.1
"""If more of the budget is left, the last lines say why."""


def at_first(seconds: float, timed: bool) -> float:
    """Seconds to keep of a budget. timed: whether models are timed."""
    kept = max(RESERVE_S + MEMBER_S, RESERVED * seconds)
    return kept + TIMING_S if timed else kept


def keep_more(search: Search, start_s: float) -> None:
    """Keep more time for the end on a machine that is slow, or busy. start_s: see `Survey`."""
    before, most = search.reserve, MOST_RESERVED * search.clock.seconds
    search.reserve = min(before * max(1.0, start_s / START_S), max(before, most))
    if search.reserve > SAID * before:
        search.display.line(
            f"This machine is slow now: a process took {start_s:.0f} s to start. So"
            f" {search.reserve:.0f} s are kept for exporting, testing and pushing."
        )


def unused(search: Search, minutes: float) -> str:
    """Why the search ended early, if it did."""
    left = search.clock.left() - search.reserve
    if search.untried or left < UNUSED * search.clock.seconds:
        return ""
    trained = "all candidates, combinations of the best and other seeds of the best were trained"
    if search.latency_ms is not None:
        trained = "all candidates were trained, and with --latency-ms none from other seeds"
    return (
        f"{left / 60:.1f} of {minutes:g} minutes were not needed: {trained}. More of the same would"
        " choose among noise; more rows, or a pretrained trunk (--trunk), can tell more."
    )
