"""Test AUC per task and training time of every sharing scheme with several balancing methods.

    python benchmarks/sharing_study.py SPEC --work DIR [--data DIR] [--seeds 3]
        [--sharing hard,mmoe,...] [--balancing equal,uncertainty,imtl_g] [--set key=value]
        [--minutes M]

Each trial is a complete run of the pipeline in this process; data stages are cached. Gradient
methods take gradients where per-task gradients share a common tensor; for `soft` there is no such
place, so they are left out. Results are appended to `<work>/results.jsonl`; existing ones are not
repeated. The table shows means and standard deviations over seeds, the Trainer's time relative to
hard sharing with summed losses and the same seed (median), and the number of parameters.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import math
import os
import shutil
import statistics
import time
from itertools import product
from pathlib import Path
from typing import Any

from models.balancing.base import Balancing, GradientBalancing
from models.discovery import methods
from models.sharing.base import Sharing
from pipeline.run import run

PLAIN = ("hard", "equal")
FIXED = ("tracking.backend=none", "training.gradient_figures=false")
BALANCING = methods("models.balancing", Balancing)
SCHEMES = methods("models.sharing", Sharing)


def trial(spec: Path, work: Path, overrides: list[str]) -> dict[str, Any]:
    """One run: test AUC by task, seconds of the Trainer, number of parameters."""
    from models.lazy import keras

    keras.backend.clear_session()
    gc.collect()
    paths = [f"store={work / 'store'}", f"push.destination={work / 'pushed'}"]
    with contextlib.redirect_stdout(io.StringIO()):
        result = run(spec, [*paths, *FIXED, *overrides], wait=False)
    entry = json.loads((result.model.path.parent / "artifact.json").read_text())
    evaluation = json.loads((result.evaluation.path / "evaluation.json").read_text())
    for made in (result.model, result.evaluation, *result.blessings, result.pushed):
        shutil.rmtree(made.path.parent, ignore_errors=True)
    shutil.rmtree(work / "pushed", ignore_errors=True)
    return {
        "auc": {name: task["values"]["auc"] for name, task in evaluation["tasks"].items()},
        "seconds": entry["seconds"],
        "parameters": entry["figures"]["parameters"],
    }


def results(path: Path) -> list[dict[str, Any]]:
    """The results so far, without a line that was cut off."""
    lines = []
    for line in path.read_text().splitlines() if path.exists() else []:
        with contextlib.suppress(ValueError):
            lines.append(json.loads(line))
    return lines


def table(runs: list[dict[str, Any]]) -> str:
    """The results as a Markdown table."""
    cells: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for r in runs:
        cells.setdefault((r["sharing"], r["balancing"]), {})[r["seed"]] = r
    tasks = list(runs[0]["auc"])
    header = ["sharing", "balancing", *(f"AUC {t}" for t in tasks), "time", "parameters", "seeds"]
    lines = [header, ["---"] * len(header)]
    for (sharing, balancing), seeds in sorted(cells.items(), key=lambda c: (c[0] != PLAIN, c[0])):
        plain = cells.get(PLAIN, {})
        times = [r["seconds"] / plain[s]["seconds"] for s, r in seeds.items() if s in plain]
        scores = [[r["auc"][t] for r in seeds.values()] for t in tasks]
        spread = [statistics.stdev(s) if len(s) > 1 else math.nan for s in scores]
        shown = [f"{statistics.mean(s):.4f} ± {d:.4f}" for s, d in zip(scores, spread, strict=True)]
        time_ratio = f"{statistics.median(times):.2f}" if times else ""
        parameters = f"{next(iter(seeds.values()))['parameters']:,}"
        lines.append([sharing, balancing, *shown, time_ratio, parameters, str(len(seeds))])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("spec", type=Path)
    parser.add_argument("--work", type=lambda p: Path(os.path.abspath(p)), required=True)
    parser.add_argument("--data", type=os.path.abspath)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sharing", default=",".join(SCHEMES))
    parser.add_argument("--balancing", default="equal,uncertainty,imtl_g")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="start no trial after this time"
    )
    args = parser.parse_args()
    if args.data:
        os.environ["DATA"] = args.data
    args.work.mkdir(parents=True, exist_ok=True)
    file, end = args.work / "results.jsonl", time.monotonic() + 60 * args.minutes
    done = {(r["sharing"], r["balancing"], r["seed"]) for r in results(file)}
    wanted = product(range(args.seeds), args.sharing.split(","), args.balancing.split(","))
    for seed, sharing, balancing in wanted:
        if (sharing, balancing, seed) in done or time.monotonic() > end:
            continue
        settings = [f"model.sharing={sharing}", f"model.balancing.name={balancing}", f"seed={seed}"]
        if issubclass(BALANCING[balancing], GradientBalancing):
            meet = SCHEMES[sharing].gradients_meet
            if meet is None:
                continue
            settings.append(f"model.balancing.at={meet}")
        line = {"sharing": sharing, "balancing": balancing, "seed": seed}
        line |= trial(args.spec, args.work, [*settings, *args.overrides])
        with file.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        print(sharing, balancing, seed, line["auc"], f"{line['seconds']:.1f} s", flush=True)
    print(table(results(file)))


if __name__ == "__main__":
    main()
