"""The work that `gpu_peers.py` measures, and a worker's side of it. Imports only NumPy."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from speed_peers_cases import CASES, Case

DTYPES = ("float32", "bfloat16")
TOGETHER = 4
"""Batches on the device, which steps take in turn."""


@dataclass(frozen=True)
class Work:
    """A case of `speed_peers_cases` with a batch that fills a GPU, a balancing method and a type.

    case: its `rows` are those of all batches on the device.
    """

    name: str
    case: Case
    dtype: str
    balancing: str = "equal"

    @property
    def key(self) -> str:
        return f"{self.name}/{self.dtype}"


def works(tiny: bool) -> dict[str, Work]:
    """All work by key, the most wanted first. tiny: batches of 4, to try the scripts on a CPU."""

    def case(name: str, batch: int, tasks: int) -> Case:
        return replace(CASES[name], batch=4 if tiny else batch, steps=TOGETHER, tasks=tasks)

    shapes = {
        "minilm64": case("minilm64", 256, 1),
        "objects32": case("objects32", 1024, 3),
        "mobilenet96": case("mobilenet96", 256, 3),
        "minilm128": case("minilm128", 128, 1),
    }
    every = [Work(name, each, dtype) for name, each in shapes.items() for dtype in DTYPES]
    for method in ("pcgrad", "mgda", "cagrad", "equal"):
        for tasks in (8, 32):
            dense = case("eight", 4096, tasks)
            every += [Work(f"{method}{tasks}", dense, dtype, method) for dtype in DTYPES]
    return {work.key: work for work in every}


class Worker:
    """A worker's side: says what is ready, then runs what it is asked for.

    `python SCRIPT UNTIL [tiny] KEY…`. UNTIL: when preparing has to end, as seconds of `time.time`.
    A line of its input is a key and a number of steps; it answers with their seconds. 0 steps: the
    work is over. Lines are JSON. What libraries print goes to standard error.

    runs_first: whether work is ready only after its first steps. Those take the memory of the
    device that it needs, so many works together do not fit. free: gives free memory back.
    """

    def __init__(self, runs_first: bool = False, free: Callable[[], object] = lambda: None) -> None:
        self._runs_first, self._free = runs_first, free
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self.until = float(sys.argv[1])
        every = works("tiny" in sys.argv)
        self.works = [every[key] for key in sys.argv[2:] if key in every]
        self.runs: dict[str, Callable[[int], float]] = {}

    def say(self, **values: object) -> None:
        with self._lock:
            print(json.dumps(values), file=self._out, flush=True)

    def prepare(
        self, make: Callable[[Work], tuple[Callable[[int], float], dict[str, object]]], work: Work
    ) -> None:
        """Make a work's function from a number of steps to the last objective, and run it."""
        if time.time() > self.until:
            return self.say(failed=work.key, error="no time was left to prepare it")
        began = time.perf_counter()
        try:
            run, about = make(work)
            if self._runs_first:
                run(TOGETHER)
        except Exception as e:  # the others shall still be measured
            return self.say(failed=work.key, error=f"{type(e).__name__}: {e}"[:2000])
        self.runs[work.key] = run
        seconds = time.perf_counter() - began
        return self.say(ready=work.key, prepared_s=round(seconds, 1), **about)

    def in_time(self) -> Iterable[Work]:
        """What is to be prepared, until time is up."""
        for work in self.works:
            if time.time() < self.until:
                yield work
            else:
                self.say(failed=work.key, error="no time was left to prepare it")

    def serve(self) -> None:
        for line in sys.stdin:
            key, steps = line.split()
            if steps == "0":
                self.runs.pop(key, None)
                gc.collect()
                self._free()
                continue
            try:
                began = time.perf_counter()
                objective = self.runs[key](int(steps))
                seconds = time.perf_counter() - began
            except Exception as e:
                self.say(key=key, error=f"{type(e).__name__}: {e}"[:2000])
            else:
                self.say(key=key, seconds=seconds, objective=objective)
