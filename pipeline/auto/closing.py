"""The last lines of `rootstock auto`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.auto.leaderboard import ENSEMBLE, Leaderboard
from pipeline.display import PIPED, near
from pipeline.flow import PipelineResult
from pipeline.report.tables import prose


@dataclass(frozen=True)
class Said:
    """A sentence. warns: whether it is one that should not be missed."""

    text: str
    warns: bool = False


def closing(board: Leaderboard, served: Sequence[Said], directory: Path) -> str:
    """The lines after the pipeline's own: the leaderboard, the winner on test rows, what next.

    served: see `on_what_is_served`.
    """
    lines = "\n".join(_lines(board, served, directory))
    return f"\n{board.table().text(PIPED)}\n\n" + prose(lines)


def _lines(board: Leaderboard, served: Sequence[Said], directory: Path) -> Iterator[str]:
    yield from (said.text for said in served)
    yield from board.answers
    yield from (f"Left out: {line}" for line in board.left_out())
    yield from filter(None, [board.rest])
    yield from (f"Next: {sentence}" for sentence in board.next_steps.sentences)
    yield f"Report: {near(directory / 'report' / 'leaderboard.html')}"
    yield f"{board.state.spent / 60:.1f} of {board.minutes:g} minutes. To train it again:"
    yield f"  rootstock run {directory / 'best.yaml'}"
    yield "To serve it:"
    yield f"  rootstock serve {directory / 'best.yaml'}"


def on_what_is_served(board: Leaderboard, result: PipelineResult) -> Iterator[Said]:
    """Why it was chosen, what it reaches on test rows, its size and latency, and warnings."""
    trial = board.winner
    yield Said(f"Winner: {board.why()}")
    if trial.name != ENSEMBLE:
        yield from map(Said, experts_alone(result.trained.path / "history.json"))
    if trial.rows < board.rows:
        text = (
            f"Warning: it learned from {trial.rows:,} of {board.rows:,} training rows, because"
            " there was no time for more. Run the same command with more --minutes."
        )
        yield Said(text, warns=True)
    yield from _on_evaluated_rows(board, result)
    ms = board.state.latencies[trial.name]
    size = f"{result.model.size_mb():.1f} MB"
    yield Said(f"The served model: {size}, {ms:.2f} ms for one row, by itself.")
    for blessing in result.blessings:
        yield from (Said(f"Not pushed: {reason}", warns=True) for reason in blessing.reasons())


def experts_alone(history: Path) -> Iterator[str]:
    """A sentence if the network of a trained model has no weight. history: its `history.json`."""
    by_task = json.loads(history.read_text()).get("last_word", {})
    if not by_task or any(weights["network"] for weights in by_task.values()):
        return
    said = [
        f"{task} {' + '.join(f'{w:.2f} {name}' for name, w in weights.items() if w > 0)}"
        for task, weights in by_task.items()
    ]
    yield f"Classical models alone are served, without a network: {', '.join(said)}."


def _on_evaluated_rows(board: Leaderboard, result: PipelineResult) -> Iterator[Said]:
    evaluation = json.loads((result.evaluation.path / "evaluation.json").read_text())
    where, seen = "On test rows, which no candidate saw", evaluation["split"] != "test"
    if seen:
        where = "On validation rows, which chose the winner, so too good (there are no test rows)"
    for task, metric in board.metrics.metrics.items():
        whole = evaluation["tasks"][task]
        value, interval = whole["values"].get(metric), whole.get("intervals", {}).get(metric)
        shown = "undefined" if value is None else f"{value:.4f}"
        if interval:
            shown += f" ({interval['low']:.4f} to {interval['high']:.4f})"
        yield Said(f"{where}: {task} {metric} {shown}", warns=seen)
