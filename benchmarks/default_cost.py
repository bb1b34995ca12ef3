"""What the default spec of `rootstock init` costs, beside the default of an earlier commit.

    git worktree add --detach DIR 013e612    # before there were experts
    python benchmarks/default_cost.py --before DIR --data DATA --work WORK
        [--sets census-10000,sms] [--turns N]

For each set the code of both checkouts writes its own spec and runs it, in turns: before, now,
before, now. Then both models of a turn are loaded here and answer the same rows in turns.

One JSON line for each turn is appended to `<work>/default_cost.jsonl`; what is there is not
repeated. A pair is [before, now]. `seconds`: of the whole run, without imports. `training_seconds`:
of the stages Experts, Embed and Trainer. `ms_1`, `ms_32`: median milliseconds of an answer to 1 and
32 rows. `values`: by task, the metric that decides, on test rows. Time on a machine that does
nothing else; on a busy one only the ratios of a pair can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from best_answer_data import ROOT, problem_of
from best_answer_metrics import measured
from best_answer_ours import Served, trained

from pipeline.spec.load import load_spec

SETS = ("census", "sms", "diabetes", "digits")
TRAINING = ("Experts", "Embed", "Trainer")
WARM, CALLS = 5, 100
TRAIN = "--train"


def train(name: str, data: Path, folder: Path, seed: int) -> None:
    """Run the pipeline with the code on the path, and print what it gave."""
    problem = problem_of(name, data, seed)
    began = time.perf_counter()
    served, _ = trained(problem, folder, seed)
    took = time.perf_counter() - began
    entries = [e for stage in TRAINING for e in (folder / "store" / stage).glob("*/artifact.json")]
    training = sum(json.loads(entry.read_text())["seconds"] for entry in entries)
    print(json.dumps([took, training, str(served.path)]))


def turn(name: str, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """Train and measure once with each checkout."""
    problem = problem_of(name, args.data, seed)
    models, took, training = [], [], []
    for which, tree in (("before", args.before), ("now", ROOT)):
        folder = args.work / f"{name}-{which}"
        command = [sys.executable, __file__, TRAIN, name, str(args.data), str(folder), str(seed)]
        paths = {"PYTHONPATH": os.pathsep.join([str(tree), str(Path(__file__).parent)])}
        done = subprocess.run(
            command, env=os.environ | paths, check=True, stdout=subprocess.PIPE, text=True
        )
        seconds, of_training, path = json.loads(done.stdout.splitlines()[-1])
        took.append(round(seconds, 1))
        training.append(round(of_training, 1))
        models.append(Served(problem, load_spec(folder / "spec.yaml")[0], Path(path)))
    line: dict[str, Any] = {"set": name, "seed": seed, "rows": len(problem.train)}
    line |= {"seconds": took, "training_seconds": training}
    line |= {f"ms_{rows}": milliseconds(models, rows) for rows in (1, 32)}
    line["values"] = {la.name: [deciding(m, la.name) for m in models] for la in problem.labels}
    return line


def milliseconds(models: Sequence[Served], rows: int) -> list[float]:
    """Medians of answers to so many test rows, the models in turns."""
    took: list[list[float]] = [[] for _ in models]
    batches = len(models[0].problem.test) // rows
    for call in range(WARM + CALLS):
        first = call % batches * rows
        for model, seconds in zip(models, took, strict=True):
            began = time.perf_counter()
            model.answer(slice(first, first + rows))
            seconds.append(time.perf_counter() - began)
    return [round(statistics.median(seconds[WARM:]) * 1000, 3) for seconds in took]


def deciding(model: Served, task: str) -> float:
    """The metric that decides for a task, on test rows."""
    problem = model.problem
    label = next(la for la in problem.labels if la.name == task)
    truth = label.encode(problem.test, label.classes(problem.train))
    known = ~np.isnan(truth if truth.ndim == 1 else truth[:, 0])
    answers = model.outputs()[task]
    metric, values, _ = measured(label.kind, label.metric, truth[known], answers[known])
    return round(values[metric], 5)


def main() -> None:
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    file = args.work / "default_cost.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(line["set"], line["seed"]) for line in lines}
    for seed in range(args.turns):
        for name in args.sets:
            if (name, seed) not in done:
                line = json.dumps(turn(name, seed, args))
                with file.open("a") as stream:
                    stream.write(line + "\n")
                print(line, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    absolute = lambda text: Path(os.path.abspath(text))  # noqa: E731
    parser.add_argument("--before", type=absolute, required=True, help="a checkout of the code")
    parser.add_argument("--data", type=absolute, required=True)
    parser.add_argument("--work", type=absolute, required=True)
    parser.add_argument("--sets", type=lambda text: text.split(","), default=SETS)
    parser.add_argument("--turns", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == [TRAIN]:
        name, data, folder, seed = sys.argv[2:]
        train(name, Path(data), Path(folder), int(seed))
    else:
        main()
