"""The spec of what a search serves, for `rootstock run`."""

from __future__ import annotations

from pathlib import Path

import yaml

from components.data.atomic import write_whole
from pipeline.auto.candidate import as_values
from pipeline.auto.leaderboard import DISTILLED, Leaderboard
from pipeline.spec.load import SpecSource
from pipeline.spec.runnable import runnable_specs


def write_spec(board: Leaderboard, source: SpecSource, directory: Path) -> Path:
    """Write `best.yaml`: the spec of the winner, which may be an ensemble, or learn from one."""
    members, winner = {n: board.choices[n].overrides for n in board.members}, board.winner
    changes = list(winner.overrides) if len(members) == 1 else []
    if winner.rows < board.rows:
        changes.append(f"training.subset={{rows: {winner.rows}}}")
    tasks = tuple(source.spec(*changes).tasks)
    (text,) = runnable_specs(source, changes, [tasks]).values()
    if len(members) > 1:
        content = yaml.safe_load(text)
        content["ensemble"] = [
            {"share": round(board.members[name], 4), "set": as_values(overrides)}
            for name, overrides in members.items()
        ]
        if winner.name == DISTILLED:
            content["distilled"] = {"set": as_values(winner.overrides)}
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    write_whole(directory / "best.yaml", text)
    return directory / "best.yaml"
