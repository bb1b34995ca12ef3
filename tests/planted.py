"""Data of which it is known which tasks help one another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

INPUTS = "\n".join(f"  x{i}: {{kind: numeric}}" for i in range(6))


def write_rows(directory: Path, rows: int = 900) -> None:
    """`rows.csv`: `up` and `twin` are one signal of x0 and x1, each with noise of its own; `side`
    is a signal of x2 and x3 alone.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 6))
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(6)])
    up, side = x[:, 0] + x[:, 1], x[:, 2] - x[:, 3]
    frame["up"] = (up + rng.normal(0, 0.3, rows) > 0).astype(int)
    frame["twin"] = (up + rng.normal(0, 0.3, rows) > 0).astype(int)
    frame["side"] = (side + rng.normal(0, 0.3, rows) > 0).astype(int)
    frame.to_csv(directory / "rows.csv", index=False)


def write_spec(directory: Path, tasks: tuple[str, ...], width: int, more: str = "") -> Path:
    """A spec of these tasks with a trunk of this width. more: further sections."""
    named = "\n".join(f"  {t}: {{kind: binary, label: {t}}}" for t in tasks)
    path = directory / "spec.yaml"
    path.write_text(f"""\
name: planted
data:
  sources: [{{format: csv, path: rows.csv}}]
  splits: {{train: 0.5, val: 0.1, test: 0.4}}
inputs:
{INPUTS}
tasks:
{named}
model:
  trunk: {{name: scratch, width: {width}, dropout: 0, columns: {{layers: [{width}]}}}}
training: {{epochs: 12, batch_size: 32, learning_rate: 0.02}}
tracking: {{backend: none}}
store: store
{more}""")
    return path
