"""Data for which sharing hurts by construction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

INPUTS = "\n".join(f"  x{i}: {{kind: numeric}}" for i in range(6))
WEIGHTS = {"up": 1, "side": 30, "third": 30}
"""Weights in the joint loss: `side` and `third` use the trunk, and `up` gets what is left."""


def write_rows(directory: Path, rows: int = 900) -> None:
    """Write `rows.csv`: each task depends on two inputs of its own, with some noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 6))
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(6)])
    for i, task in enumerate(WEIGHTS):
        signal = x[:, 2 * i] + x[:, 2 * i + 1] + rng.normal(0, 0.3, rows)
        frame[task] = (signal > 0).astype(int)
    frame["flat"] = 1
    frame.to_csv(directory / "rows.csv", index=False)


def write_spec(directory: Path, tasks: tuple[str, ...], more: str = "") -> Path:
    """A spec of these tasks with a trunk two units wide. more: additional sections."""
    named = "\n".join(f"  {t}: {{kind: binary, label: {t}, weight: {WEIGHTS[t]}}}" for t in tasks)
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
  experts: none
  trunk: {{name: scratch, width: 2, dropout: 0, columns: {{layers: [16]}}}}
training: {{epochs: 12, batch_size: 32, learning_rate: 0.02}}
tracking: {{backend: none}}
store: store
{more}""")
    return path
