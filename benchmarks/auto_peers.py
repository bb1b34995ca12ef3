"""`rootstock auto` beside AutoGluon, FLAML and Ludwig: same rows, same minutes, same cores.

    python benchmarks/auto_peers.py --data DIR --work DIR --minutes 10 [--sets sms-256,wine]
        [--seeds 3] [--models ours,autogluon_medium,autogluon_best,flaml,ludwig] [--cores 2]
        [--autogluon PYTHON] [--flaml PYTHON] [--ludwig PYTHON] [--latency-ms X]

Each peer has an environment of its own (Python 3.11):

    uv venv AG
    uv pip install -p AG/bin/python pyarrow "autogluon.tabular[lightgbm,catboost,xgboost]==1.6.*"
    uv venv FL && uv pip install -p FL/bin/python "flaml[automl]" pyarrow
    uv venv LU && uv pip install -p LU/bin/python "ludwig[distributed]" pyarrow

and `--autogluon AG/bin/python --flaml FL/bin/python --ludwig LU/bin/python`. Ludwig's environment
has PyTorch with CUDA and Ray, some 5 GB. The sets are those of `best_answer_data`. All
learn from the same training rows, and are measured on test rows that nobody saw; `auto` divides
validation rows off the training rows, and evaluates on the test rows once, when all is chosen.
Nothing else should run on the machine. Peers have no images: such sets have our lines only, and
neither have they several labels: they get an equal part of the minutes for each.

Each result is appended to `<work>/auto_peers.jsonl` at once, one line per task, in the form of
`best_answer.py`, with `minutes`. `seconds`: ours of the whole command, of peers from the read data
to the end of fitting; `failed`: why there is no result, such as a process that was killed because
it took three times its minutes and ten. The table at the end is that of `best_answer.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from best_answer import OURS, Line, results, table
from best_answer_data import DEFAULT, Label, Problem, problem_of
from best_answer_metrics import METRICS, measured

ROOT = Path(__file__).parents[1]
PEERS = ("autogluon_medium", "autogluon_best", "flaml", "ludwig")
OUR_METRICS = {("multilabel", "auc"): "macro_auc"}
"""Names of ours that differ."""
PATIENCE, GRACE_S = 3.0, 600.0


@dataclass(frozen=True)
class Trial:
    """One AutoML system on one split. cores: that all of its processes may use."""

    problem: Problem
    seed: int
    model: str
    minutes: float
    cores: tuple[int, ...]
    folder: Path

    def run(self, command: list[str]) -> str:
        """Run a process on these cores. Returns why it failed; empty if it did not."""
        cores = set(self.cores)
        threads = {"OMP_NUM_THREADS": str(len(cores)), "PYTHONPATH": str(ROOT)}
        with (self.folder / "log.txt").open("w") as log:
            try:
                code = subprocess.run(
                    command,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **threads, "TF_CPP_MIN_LOG_LEVEL": "3"},
                    timeout=PATIENCE * 60 * self.minutes + GRACE_S,
                    preexec_fn=lambda: os.sched_setaffinity(0, cores),
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired as e:
                return f"killed after {e.timeout:.0f} s"
        lines = (self.folder / "log.txt").read_text(errors="replace").split("\n")
        return "" if code == 0 else f"exit code {code}: {' '.join(lines[-4:]).strip()[-300:]}"


def metric_of(label: Label) -> str:
    return label.metric or next(iter(METRICS[label.kind]))


def ours(trial: Trial, more: list[str]) -> tuple[str, Mapping[str, np.ndarray], Line]:
    """Why it failed, the outputs by label, and figures."""
    from best_answer_ours import Served, starter

    from pipeline.spec.load import load_spec

    problem, folder = trial.problem, trial.folder
    starter(problem, folder, trial.seed)
    files = sorted((folder / "files").glob("train*"))
    data = next(f for f in files if f.is_dir() == (problem.form == "image_folder"))
    command = [sys.executable, "-m", "pipeline.cli.main", "auto", str(data), "--output"]
    command += [str(folder), "--minutes", f"{trial.minutes:g}", *more]
    spec = load_spec(folder / "spec.yaml")[0]
    names = {task.label: name for name, task in spec.tasks.items()}
    for label in problem.labels:
        metric = OUR_METRICS.get((label.kind, metric_of(label)), metric_of(label))
        command += ["--metric", f"{names[label.name]}={metric}"]
        command += [] if problem.form == "image_folder" else ["--label", label.name]
    began = time.perf_counter()
    if failure := trial.run(command):
        return failure, {}, {}
    seconds = time.perf_counter() - began
    board = json.loads((folder / "report" / "leaderboard.json").read_text())
    spec = load_spec(folder / "best.yaml")[0]
    pushed = sorted((folder / "pushed" / spec.name).glob("[0-9]*"), key=lambda p: int(p.name))
    if not pushed:
        return "not pushed", {}, {}
    served = Served(problem, spec, pushed[-1])
    ms = next(c["exported_latency_ms"] for c in board["candidates"] if c["exported_latency_ms"])
    figures = {"seconds": round(seconds, 1), "ms_1": ms, "winner": board["winner"]}
    return "", served.outputs(), {**figures, "members": board["members"]}


def peer(trial: Trial, python: str) -> tuple[str, Mapping[str, np.ndarray], Line]:
    """Why it failed, the outputs by label, and figures."""
    problem, folder = trial.problem, trial.folder
    for name in ("train", "test"):
        getattr(problem, name).to_parquet(folder / f"{name}.parquet")
    labels = [
        {**asdict(la), "metric": metric_of(la), "classes": la.classes(problem.train)}
        for la in problem.labels
    ]
    job = {"labels": labels, "columns": problem.columns, "texts": problem.texts}
    (folder / "job.json").write_text(json.dumps(job))
    script = str(Path(__file__).with_name("auto_peer.py"))
    arguments = [trial.model, f"{trial.minutes:g}", str(trial.seed), str(len(trial.cores))]
    if failure := trial.run([python, script, str(folder), *arguments]):
        return failure, {}, {}
    with np.load(folder / "outputs.npz") as arrays:
        return "", dict(arrays), json.loads((folder / "took.json").read_text())


def lines_of(trial: Trial, outputs: Mapping[str, np.ndarray], figures: Line) -> list[Line]:
    problem, lines = trial.problem, []
    for label in problem.labels:
        y = label.encode(problem.test, label.classes(problem.train))
        known = ~np.isnan(y if y.ndim == 1 else y[:, 0])
        metric, values, replicates = measured(
            label.kind, label.metric, y[known], outputs[label.name][known]
        )
        rounded = {name: round(value, 5) for name, value in values.items()}
        rows = int(problem.train[label.name].notna().sum())
        of_task = {"task": label.name, "metric": metric, "values": rounded, "rows": rows}
        lines.append(common(trial) | figures | of_task | {"replicates": replicates})
    return lines


def common(trial: Trial) -> Line:
    who = {"set": trial.problem.name, "seed": trial.seed, "model": trial.model}
    how = {"minutes": trial.minutes, "cores": len(trial.cores), "digest": trial.problem.digest}
    return who | how | {"ms_32": float("nan")}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    listed = lambda text: [part for part in text.split(",") if part]  # noqa: E731
    absolute = lambda text: Path(os.path.abspath(text))  # noqa: E731
    parser.add_argument("--data", type=absolute, required=True)
    parser.add_argument("--work", type=absolute, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--sets", type=listed, default=list(DEFAULT))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--models", type=listed, default=[OURS, *PEERS])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--autogluon", default="")
    parser.add_argument("--flaml", default="")
    parser.add_argument("--ludwig", default="")
    parser.add_argument("--latency-ms", default="")
    args = parser.parse_args()
    pythons = {"autogluon_medium": args.autogluon, "autogluon_best": args.autogluon}
    args.pythons = {**pythons, "flaml": args.flaml, "ludwig": args.ludwig}
    for model in args.models:
        if model != OURS and not args.pythons.get(model):
            raise SystemExit(f"{model}: give the Python of its environment, such as --autogluon.")
    return args


def main() -> None:
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    file = args.work / "auto_peers.jsonl"
    done = {(r["set"], r["seed"], r["model"], r["minutes"]) for r in results([file])}
    cores = tuple(sorted(os.sched_getaffinity(0))[: args.cores])
    more = ["--latency-ms", args.latency_ms] if args.latency_ms else []
    for dataset in args.sets:
        for seed in range(args.seeds):
            problem = problem_of(dataset, args.data, seed)
            for model in args.models:
                if (dataset, seed, model, args.minutes) in done:
                    continue
                multilabel = any(la.kind == "multilabel" for la in problem.labels)
                if model != OURS and (problem.has_images or multilabel):
                    continue
                folder = args.work / f"{dataset}-{seed}-{model}"
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                trial = Trial(problem, seed, model, args.minutes, cores, folder)
                if model == OURS:
                    failure, outputs, figures = ours(trial, more)
                else:
                    failure, outputs, figures = peer(trial, args.pythons[model])
                lines = [common(trial) | {"failed": failure}]
                if not failure:
                    lines = lines_of(trial, outputs, figures)
                    shutil.rmtree(folder)
                with file.open("a") as stream:
                    stream.writelines(json.dumps(line) + "\n" for line in lines)
                shown = [
                    f"{r['task']} {r['metric']} {r['values'][r['metric']]:.4f}, {r['seconds']} s"
                    for r in lines
                    if "task" in r
                ]
                print(f"{dataset} seed {seed} {model}: {'; '.join(shown) or failure}", flush=True)
    found = [
        r
        for r in results([file])
        if r["minutes"] == args.minutes and r["set"] in args.sets and "task" in r
    ]
    print(table(found, [], args.sets))


if __name__ == "__main__":
    main()
