"""Time of a training step on a GPU: our models on Keras's JAX backend beside PyTorch.

    python benchmarks/gpu_peers.py --out FOLDER [--only times|agreement] [--minutes 6]
        [--platform cuda] [--tiny]

Needs keras, keras-hub, jax and torch with their CUDA, torchvision and pydantic, in one environment;
TensorFlow is not needed. `--platform cpu --tiny` tries everything with batches of 4.

agreement: every balancing method and sharing scheme computes losses, outputs and two training steps
on the GPU and on the CPU (`gpu_peers_agreement.py`), which have to agree.

times: first everything is built and compiled at the same time, in many processes: our models for
JAX; the same networks for PyTorch, eager and with `torch.compile`. What is not ready in time is
stopped, and that is said. Then, with nothing else running, the engines train in turns, each for a
tenth of a second; the round is repeated. A figure is the median over rounds. Batches are on the
device before, and the clock stops when the last step is done.

Adam, TF32 allowed for products and convolutions of float32 in both; bfloat16 is Keras's
`mixed_bfloat16` and PyTorch's autocast. JAX takes four steps a call (a scan), as the Trainer takes
many; its products are cuBLAS's, without search for faster kernels of its own, which takes minutes.
PyTorch has channels-last images, cuDNN's search for the fastest algorithm, fused Adam, and CUDA
graphs with `torch.compile`. A product of two matrices of 8192 in PyTorch says what the GPU computes
at most.

A GPU does not hold all cases at once: those of JAX and of eager PyTorch take their memory when they
are measured, and a process ends after its last case.

Lines are added to FOLDER/gpu_peers.jsonl as they are measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gpu_peers_cases import DTYPES, TOGETHER, Work, works
from gpu_peers_workers import Agreement, Engine

ENGINES = ("jax", "eager", "compile")
ROUNDS, SECONDS = 7, 0.12
"""Rounds, and roughly the seconds of one."""
GRACE, MEASURING = 30, 100
"""Seconds that a worker may take to end what it is preparing, and that are kept for measuring."""


def measured(
    work: Work, engines: dict[str, Engine], seconds: float, rounds: int, end: float
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Milliseconds of a step by engine, in every round until `end`; and errors by engine."""
    steps: dict[str, int] = {}
    taken: dict[str, list[float]] = {}
    errors: dict[str, str] = {}
    for name, engine in engines.items():
        if time.time() > end:
            errors[name] = "no time was left to measure it"
            continue
        try:
            each = min(engine.run(work.key, TOGETHER) for _ in range(2)) / TOGETHER
            steps[name] = TOGETHER * int(np.clip(seconds / each / TOGETHER, 1, 100))
            taken[name] = []
        except RuntimeError as e:
            errors[name] = str(e)
    for _ in range(rounds):
        for name in list(taken):
            if time.time() > end:
                break
            try:
                ran = engines[name].run(work.key, steps[name])
            except RuntimeError as e:
                errors[name] = str(e)
                del taken[name]
            else:
                taken[name].append(round(1e3 * ran / steps[name], 4))
    return taken, errors


def table(lines: list[dict[str, Any]]) -> None:
    medians = {engine: f"{engine} ms" for engine in ENGINES}
    print(f"\n{'':22}" + "".join(f"{title:>12}" for title in medians.values()), end="")
    print(f"{'eager/jax':>12}{'compile/jax':>13}")
    for line in lines:
        ms = {name: statistics.median(each) for name, each in line["ms"].items() if each}
        row = f"{line['case'] + ' ' + line['dtype']:22}"
        row += "".join(f"{ms[e]:12.3f}" if e in ms else f"{'-':>12}" for e in ENGINES)
        for engine, width in (("eager", 12), ("compile", 13)):
            both = "jax" in ms and engine in ms
            row += f"{ms[engine] / ms['jax']:{width}.2f}" if both else f"{'-':>{width}}"
        print(row)


def agreement(platform: str, until: float) -> dict[str, Any]:
    """What the GPU computes beside the CPU."""
    both = Agreement(Path(tempfile.mkdtemp()), platform)
    both.wait(until)
    found = both.result()
    print(f"{platform} against the CPU: { {what: len(names) for what, names in found.items()} }")
    for what in ("differ", "missing"):
        for name, why in found[what].items():
            print(f"  {what}: {name}: {str(why)[:300]}")
    return found


def prepared(
    every: dict[str, Work], until: float, platform: str, tiny: bool
) -> dict[str, list[Engine]]:
    """Workers by engine that serve; those that are not ready have ended."""

    def groups(sort: Callable[[Work], str]) -> list[list[str]]:
        """Keys by dtype, and by what `sort` says of a case."""
        found: dict[tuple[str, str], list[str]] = {}
        for key, work in every.items():
            found.setdefault((work.dtype, sort(work)), []).append(key)
        return list(found.values())

    def workers(script: str, *first: str, keys: list[list[str]]) -> list[Engine]:
        begin = ["tiny"] if tiny else []
        return [Engine(script, until, [*begin, *first, *each], platform) for each in keys]

    torch = "gpu_peers_torch.py"
    engines = {
        "jax": workers(
            "gpu_peers_jax.py",
            keys=groups(lambda w: w.case.name if w.case.name != "eight" else str(w.case.tasks)),
        ),
        "eager": workers(torch, "eager", keys=[list(every)]),
        "compile": workers(
            torch, "compile", keys=groups(lambda w: "dense" if w.case.name == "eight" else w.name)
        ),
    }
    for worker in (w for each in engines.values() for w in each):
        worker.finished.wait(max(0.0, until + GRACE - time.time()))
    for worker in (w for each in engines.values() for w in each):
        if not worker.finished.is_set():
            worker.close()
            worker.ready.clear()
            worker.failed |= dict.fromkeys(worker.keys, "not ready in time")
    return engines


def limits_of(engine: Engine) -> dict[str, float]:
    """Operations a second of a large product, by dtype."""
    limits = {}
    for dtype in DTYPES:
        key = f"product/{dtype}"
        try:
            engine.run(key, 3)
            limits[dtype] = engine.ready[key]["flops"] * 20 / engine.run(key, 20)
        except (RuntimeError, KeyError) as e:
            print(f"{key}: {e}")
    return limits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", choices=("times", "agreement"))
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--platform", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--cases", default="", help="such as minilm64,mgda8; all by default")
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    began = time.time()
    end = began + 60 * args.minutes
    args.out.mkdir(parents=True, exist_ok=True)
    results = (args.out / "gpu_peers.jsonl").open("a")

    def keep(line: dict[str, Any]) -> None:
        results.write(json.dumps(line) + "\n")
        results.flush()

    if args.only != "times":
        keep(
            {"agreement": agreement(args.platform, end if args.only else began + 30 * args.minutes)}
        )
    if args.only == "agreement":
        return
    names = args.cases.split(",") if args.cases else []
    every = {k: w for k, w in works(args.tiny).items() if not names or w.name in names}
    engines = prepared(every, end - MEASURING - GRACE, args.platform, args.tiny)
    (eager,) = engines["eager"]
    about = {name: next((w.about for w in each if w.about), {}) for name, each in engines.items()}
    print(about, f"prepared after {time.time() - began:.0f} s", flush=True)
    limits = limits_of(eager)
    keep({**about, "prepared_s": round(time.time() - began), "limits_flops": limits})
    lines = []
    for key, work in every.items():
        here = {name: w for name, each in engines.items() for w in each if key in w.keys}
        ready = {name: w for name, w in here.items() if key in w.ready}
        errors = {name: w.failed[key] for name, w in here.items() if key in w.failed}
        line: dict[str, Any] = {"case": work.name, "dtype": work.dtype, "batch": work.case.batch}
        line |= {"about": {name: dict(w.ready[key]) for name, w in ready.items()}}
        seconds, rounds = (0.02, 2) if args.tiny else (SECONDS, ROUNDS)
        line["ms"], failed = measured(work, ready, seconds, rounds, end)
        line["errors"] = errors | failed
        for worker in here.values():
            worker.drop(key)
        keep(line)
        lines.append(line)
        for name, why in line["errors"].items():
            print(f"{key} {name}: {why[:300]}", flush=True)
    table(lines)
    print(f"TFLOP/s of a large product: { {k: round(v / 1e12, 1) for k, v in limits.items()} }")
    print(f"whole time: {time.time() - began:.0f} s")
    for worker in (w for each in engines.values() for w in each):
        worker.close()


if __name__ == "__main__":
    main()
