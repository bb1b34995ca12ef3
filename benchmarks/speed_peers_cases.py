"""The work that `speed_peers.py` measures: shapes and random data. Imports only NumPy, so that the
environment of a peer can import it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SIZES = {"work": 10, "school": 18, "job": 16, "race": 7, "sex": 4, "land": 43}
"""Ids of the categorical columns of the table."""
NUMBERS, KNOTS, WIDTH, MEMBERS = 5, 49, 16, 8
"""Numeric columns of the table, ends of their bins, width of embeddings, members."""
VOCABULARY, LAYERS, HEADS, HIDDEN, INNER, POSITIONS = 30522, 6, 12, 384, 1536, 512
"""The shape of all-MiniLM-L6."""
SMOLLM = {
    "vocabulary_size": 49152,
    "num_layers": 30,
    "num_query_heads": 9,
    "num_key_value_heads": 3,
    "hidden_dim": 576,
    "intermediate_dim": 1536,
}
"""The shape of SmolLM2-135M, in KerasHub's names."""
RANK, ALPHA = 8, 16.0


@dataclass(frozen=True)
class Case:
    """batch: rows of a step. steps: of a round. side: of images, length: of texts, where it reads
    such. tasks: all binary. fine_tuned: batch normalisation keeps its statistics, as in
    every transfer mode of Rootstock. lora: only LoRA of rank 8 on query and value, and heads,
    train.
    """

    name: str
    unit: str
    batch: int
    steps: int
    tasks: int
    side: int = 0
    length: int = 0
    fine_tuned: bool = False
    lora: bool = False

    @property
    def rows(self) -> int:
        return self.batch * self.steps

    def columns(self) -> dict[str, np.ndarray]:
        """Random features: uint8 images, int32 ids, float32 numbers."""
        rng, n = np.random.default_rng(0), self.rows
        if self.side:
            shape = (n, self.side, self.side, 1 if self.side < 32 else 3)
            return {"image": rng.integers(0, 256, shape, dtype=np.uint8)}
        if self.length:
            return {"text": rng.integers(1, VOCABULARY, (n, self.length)).astype(np.int32)}
        if self.name == "table":
            numbers = {f"n{i}": rng.normal(size=n).astype(np.float32) for i in range(NUMBERS)}
            ids = {k: rng.integers(0, size, n).astype(np.int32) for k, size in SIZES.items()}
            return numbers | ids
        return {f"x{i:02}": rng.normal(size=n).astype(np.float32) for i in range(64)}

    def labels(self) -> np.ndarray:
        """float32 [rows, tasks], 0 or 1."""
        rng = np.random.default_rng(1)
        return rng.integers(0, 2, (self.rows, self.tasks)).astype(np.float32)


CASES = {
    c.name: c
    for c in (
        Case("objects32", "images", batch=128, steps=10, tasks=3, side=32),
        Case("objects64", "images", batch=128, steps=10, tasks=3, side=64),
        Case("mobilenet96", "images", batch=32, steps=3, tasks=3, side=96, fine_tuned=True),
        Case("minilm64", "texts", batch=32, steps=2, tasks=1, length=64, fine_tuned=True),
        Case("minilm128", "texts", batch=32, steps=1, tasks=1, length=128, fine_tuned=True),
        Case("table", "rows", batch=256, steps=100, tasks=2),
        Case("digits", "images", batch=64, steps=100, tasks=3, side=8),
        Case("eight", "rows", batch=256, steps=60, tasks=8),
        Case("smollm128", "texts", batch=8, steps=1, tasks=1, length=128, lora=True),
    )
}


def serve(work: Callable[[], object], rows: float, **about: float) -> None:
    """A worker's side: for every line of its input run `work` once, and print wall and CPU time."""
    began = time.perf_counter()
    work()
    print(json.dumps({"rows": rows, "first_s": time.perf_counter() - began, **about}), flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        taken = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print(json.dumps(taken), flush=True)
