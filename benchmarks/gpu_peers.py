"""Time of a training step on a GPU: our models on Keras's JAX backend beside PyTorch.

    python benchmarks/gpu_peers.py --out FOLDER [--minutes 5.5] [--platform cuda] [--tiny]

Needs keras, keras-hub, jax and torch with their CUDA, torchvision and pydantic, in one environment;
TensorFlow is not needed. With `--platform cpu --tiny` it tries everything with batches of 4.

1. At the same time, in processes of their own: our models are built, traced and compiled for JAX;
   the same networks for PyTorch, eager and with `torch.compile`; and every balancing method and
   sharing scheme computes losses, outputs and two training steps on the GPU and on the CPU
   (`gpu_peers_agreement.py`), which have to agree.
2. With nothing else running, the engines train in turns, each for a tenth of a second; the round is
   repeated. A figure is the median over rounds. Batches are on the device before, and the clock
   stops when the last step is done. What was not ready in time is not measured, and is said.

Adam, TF32 allowed for products and convolutions of float32 in both; bfloat16 is Keras's
`mixed_bfloat16` and PyTorch's autocast. PyTorch has channels-last images, cuDNN's search for the
fastest algorithm, fused Adam, and CUDA graphs with `torch.compile`. The limit is a product of two
matrices of 8192 in PyTorch; the share of it is that of the operations that XLA counts in our step.

Lines are added to FOLDER/gpu_peers.jsonl as they are measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from gpu_peers_cases import DTYPES, Work, works
from gpu_peers_workers import Agreement, Engine

ENGINES = ("jax", "eager", "compile")
ROUNDS, SECONDS = 7, 0.12
"""Rounds, and roughly the seconds of one."""
GRACE = 20
"""Seconds that a worker may take to end what it is preparing."""


def measured(
    work: Work, engines: dict[str, Engine], seconds: float, rounds: int, end: float
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Milliseconds of a step by engine, in every round until `end`; and errors by engine."""
    steps: dict[str, int] = {}
    taken: dict[str, list[float]] = {}
    errors: dict[str, str] = {}
    for name, engine in engines.items():
        try:
            each = min(engine.run(work.key, 3) for _ in range(2)) / 3
            steps[name] = int(np.clip(seconds / each, 1, 200))
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


def table(lines: list[dict[str, Any]], limits: dict[str, float]) -> None:
    medians = {engine: f"{engine} ms" for engine in ENGINES}
    print(f"\n{'':22}" + "".join(f"{title:>12}" for title in medians.values()), end="")
    print(f"{'eager/jax':>12}{'compile/jax':>13}{'of limit':>10}")
    for line in lines:
        ms = {name: statistics.median(each) for name, each in line["ms"].items() if each}
        row = f"{line['case'] + ' ' + line['dtype']:22}"
        row += "".join(f"{ms[e]:12.3f}" if e in ms else f"{'-':>12}" for e in ENGINES)
        for engine, width in (("eager", 12), ("compile", 13)):
            both = "jax" in ms and engine in ms
            row += f"{ms[engine] / ms['jax']:{width}.2f}" if both else f"{'-':>{width}}"
        limit, flops = limits.get(line["dtype"]), line["about"].get("jax", {}).get("flops")
        if limit and flops and "jax" in ms:
            row += f"{flops / (ms['jax'] / 1e3) / limit:10.3f}"
        print(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5.5)
    parser.add_argument("--platform", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--cases", default="", help="such as minilm64,mgda8; all by default")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--without-agreement", action="store_true")
    args = parser.parse_args()
    began = time.time()
    end = began + 60 * args.minutes
    until = began + 0.6 * (end - began) - GRACE  # the rest is for measuring
    args.out.mkdir(parents=True, exist_ok=True)
    names = args.cases.split(",") if args.cases else []
    every = {k: w for k, w in works(args.tiny).items() if not names or w.name in names}
    results = (args.out / "gpu_peers.jsonl").open("a")

    def keep(line: dict[str, Any]) -> None:
        results.write(json.dumps(line) + "\n")
        results.flush()

    tiny = ["tiny"] if args.tiny else []
    jax = Engine("gpu_peers_jax.py", until, [*tiny, *every], args.platform)
    eager = Engine("gpu_peers_torch.py", until, [*tiny, "eager", *every], args.platform)
    groups = [
        [k for k, w in every.items() if w.dtype == dtype and w.name.startswith(which)]
        for which in (("minilm",), ("objects", "mobilenet"), ("pcgrad", "mgda", "cagrad", "equal"))
        for dtype in DTYPES
    ]
    compiling = [
        Engine("gpu_peers_torch.py", until, [*tiny, "compile", *group], args.platform)
        for group in groups
        if group
    ]
    agreement = None
    if not args.without_agreement:
        agreement = Agreement(Path(tempfile.mkdtemp()), args.platform)
    workers = [jax, eager, *compiling]
    for worker in workers:
        worker.finished.wait(max(0.0, until + GRACE - time.time()))
    for worker in compiling:
        if not worker.finished.is_set():
            worker.close()
            worker.ready.clear()
            worker.failed |= dict.fromkeys(worker.keys, "not ready in time")
    if agreement is not None:
        agreement.wait(until + GRACE)
        found = agreement.result()
        keep({"agreement": found})
        counts = {what: len(names) for what, names in found.items()}
        print(f"{args.platform} against the CPU: {counts}")
        for what in ("differ", "missing"):
            for name, why in found[what].items():
                print(f"  {what}: {name}: {str(why)[:300]}")
    keep({"jax": jax.about, "torch": eager.about, "prepared_s": round(time.time() - began)})
    print(jax.about, eager.about, f"prepared after {time.time() - began:.0f} s", flush=True)
    limits = {}
    for dtype in ("float32", "bfloat16"):
        key = f"product/{dtype}"
        try:
            eager.run(key, 3)
            limits[dtype] = eager.ready[key]["flops"] * 20 / eager.run(key, 20)
        except (RuntimeError, KeyError) as e:
            print(f"{key}: {e}")
    keep({"limits_flops": limits})
    lines = []
    for key, work in every.items():
        if time.time() > end:
            print(f"{key}: no time was left to measure it")
            continue
        engines = {"jax": jax, "eager": eager}
        for each in compiling:
            if key in each.ready or key in each.failed:
                engines["compile"] = each
        failed = {name: e.failed[key] for name, e in engines.items() if key in e.failed}
        engines = {name: each for name, each in engines.items() if key in each.ready}
        about = {name: dict(each.ready[key]) for name, each in engines.items()}
        seconds, rounds = (0.02, 2) if args.tiny else (SECONDS, ROUNDS)
        ms, errors = measured(work, engines, seconds, rounds, end)
        line = {"case": work.name, "dtype": work.dtype, "batch": work.case.batch, "ms": ms}
        line |= {"errors": errors | failed, "about": about}
        keep(line)
        lines.append(line)
        for name, why in (errors | failed).items():
            print(f"{key} {name}: {why[:300]}", flush=True)
    table(lines, limits)
    print(f"TFLOP/s of a large product: { {k: round(v / 1e12, 1) for k, v in limits.items()} }")
    print(f"whole time: {time.time() - began:.0f} s")
    for worker in workers:
        worker.close()


if __name__ == "__main__":
    main()
