"""Every sharing scheme with several balancing methods on one spec: test AUC per task, and time.

    python benchmarks/sharing_study.py SPEC --work DIR [--data DIR] [--seeds 3]
        [--sharing hard,mmoe,...] [--balancing equal,uncertainty,imtl_g] [--set key=value]
        [--minutes M]

Each trial is a whole run of the pipeline, in this process; the data stages come from the cache.
Balanced gradients are taken where those of tasks meet in the scheme, nowhere in `soft`.
Results are appended to `<work>/results.jsonl`; what is there is not run again. The table shows
means and standard deviations over seeds, the seconds of the Trainer relative to hard sharing with
summed losses of the same seed (median), and the model's parameters.
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
    """Test AUC by task, the Trainer's seconds, and the parameters of one run."""
    from models.lazy import keras

    keras.backend.clear_session()
    gc.collect()
    paths = [f"store={work / 'store'}", f"push.destination={work / 'pushed'}"]
    with contextlib.redirect_stdout(io.StringIO()):
        result = run(spec, [*paths, *FIXED, *overrides], wait=False)
    entry = json.loads((result.model.path.parent / "artifact.json").read_text())
    told = json.loads((result.evaluation.path / "evaluation.json").read_text())
    for made in (result.model, result.evaluation, *result.blessings, result.pushed):
        shutil.rmtree(made.path.parent, ignore_errors=True)
    shutil.rmtree(work / "pushed", ignore_errors=True)
    return {
        "auc": {name: task["values"]["auc"] for name, task in told["tasks"].items()},
        "seconds": entry["seconds"],
        "parameters": entry["figures"]["parameters"],
    }


def results(path: Path) -> list[dict[str, Any]]:
    """What has been appended so far; a line that was cut off does not count."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found


def table(found: list[dict[str, Any]]) -> str:
    """Markdown."""
    cells: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for r in found:
        cells.setdefault((r["sharing"], r["balancing"]), {})[r["seed"]] = r
    tasks = list(found[0]["auc"])
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
    parser.add_argument("--minutes", type=float, default=math.inf, help="start none after these")
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
        told = [f"model.sharing={sharing}", f"model.balancing.name={balancing}", f"seed={seed}"]
        if issubclass(BALANCING[balancing], GradientBalancing):
            meet = SCHEMES[sharing].gradients_meet
            if meet is None:
                continue
            told.append(f"model.balancing.at={meet}")
        line = {"sharing": sharing, "balancing": balancing, "seed": seed}
        line |= trial(args.spec, args.work, [*told, *args.overrides])
        with file.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        print(sharing, balancing, seed, line["auc"], f"{line['seconds']:.1f} s", flush=True)
    print(table(results(file)))


if __name__ == "__main__":
    main()
