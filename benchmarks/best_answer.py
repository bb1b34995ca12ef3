"""The default spec of `rootstock init` beside the ten lines that a user would try first.

    python benchmarks/best_answer.py --data DIR --work DIR [--sets sms-256,wine] [--seeds N]
        [--peers all|none|linear,lightgbm] [--without-ours] [--add FILE ...] [--before FILE]
        [--budget-minutes M]

A folder DIR with a `tables.yaml` has sets of its own: tables of anyone, see
`best_answer_data.tables`. The sets `sms_minilm` and `enron_minilm` need what `make minilm`
installs, and minutes.

All models learn from the same training rows (ours divides validation rows off them) and are
measured on the same test rows, ours by its served SavedModel. Each result is appended to
`<work>/results.jsonl` at once, one line per task; existing ones are not repeated, also those of
the files of `--add`. `--before` names results of an earlier version of our model.

The table compares ours with the best peer, by the metric that decides for the task: `best` if ours
is at least as good on average, `within` if the 95 % interval of the difference (paired bootstrap
of test rows) holds 0, else `loses`. Seconds: the whole run with us, fitting with a peer.
Milliseconds: medians of answers for 1 and for 32 rows in this process.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import multiprocessing
import os
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from best_answer_data import DEFAULT, MORE_SEEDS, Problem, problem_of, tables
from best_answer_metrics import difference, measured
from best_answer_peers import peers

OURS = "ours"
Line = dict[str, Any]
Cell = tuple[str, str]
"""A set and a task."""


@dataclass(frozen=True)
class Trial:
    """One model on one split."""

    dataset: str
    seed: int
    model: str
    data: Path
    work: Path

    def run(self) -> list[Line]:
        """Train and measure. Returns a line for each task."""
        problem = _problem(self.dataset, self.data, self.seed)
        began = time.perf_counter()
        figures: Line = {}
        if self.model == OURS:
            from best_answer_ours import trained

            folder = self.work / self.dataset / str(self.seed)
            served, figures = trained(problem, folder, self.seed)
            seconds = time.perf_counter() - began
            outputs: Mapping[str, np.ndarray] = served.outputs()
            latency = _latency(lambda rows: served.answer(slice(rows)))
            shutil.rmtree(folder)
        else:
            predict = peers(self.data)[self.model].fit(problem, self.seed)
            seconds = time.perf_counter() - began
            outputs = predict(problem.test)
            latency = _latency(lambda rows: predict(problem.test.iloc[:rows]))
        common = {"set": self.dataset, "seed": self.seed, "model": self.model}
        common |= {"digest": problem.digest, "seconds": round(seconds, 2), **latency, **figures}
        lines = []
        for label in problem.labels:
            y = label.encode(problem.test, label.classes(problem.train))
            known = ~np.isnan(y if y.ndim == 1 else y[:, 0])
            metric, values, replicates = measured(
                label.kind, label.metric, y[known], outputs[label.name][known]
            )
            rounded = {name: round(value, 5) for name, value in values.items()}
            rows = {
                "rows": int(problem.train[label.name].notna().sum()),
                "tested": int(known.sum()),
            }
            of_task = {"task": label.name, "metric": metric, "values": rounded, **rows}
            lines.append(common | of_task | {"replicates": replicates})
        return lines


@lru_cache(1)
def _problem(dataset: str, data: Path, seed: int) -> Problem:
    return problem_of(dataset, data, seed)


def _latency(answer: Callable[[int], object], repeats: int = 15) -> dict[str, float]:
    medians = {}
    for rows in (1, 32):
        answer(rows)
        took = []
        for _ in range(repeats):
            began = time.perf_counter()
            answer(rows)
            took.append(time.perf_counter() - began)
        medians[f"ms_{rows}"] = round(1000 * statistics.median(took), 2)
    return medians


def results(files: Sequence[Path]) -> list[Line]:
    """The results so far, without lines that were cut off."""
    lines = []
    for file in files:
        for line in file.read_text().splitlines() if file.exists() else []:
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
    return lines


def table(lines: Sequence[Line], before: Sequence[Line], sets: Sequence[str]) -> str:
    """The comparison as a Markdown table, in the order of the sets."""
    rows: list[Sequence[str]] = [_HEADER, ["---"] * len(_HEADER)]
    models: dict[Cell, dict[str, dict[int, Line]]] = {}
    for line in lines:
        of_task = models.setdefault((line["set"], line["task"]), {})
        of_task.setdefault(line["model"], {})[line["seed"]] = line
    earlier: dict[Cell, dict[int, Line]] = {}
    for line in before:
        if line["model"] == OURS:
            earlier.setdefault((line["set"], line["task"]), {})[line["seed"]] = line
    ordered = sorted(models, key=lambda cell: sets.index(cell[0]))
    rows += [_row(cell, models[cell], earlier.get(cell, {})) for cell in ordered]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


_HEADER = (
    *("set", "task", "metric", "rows", "seeds", "before", "ours", "best peer", "its value"),
    *("difference", "verdict", "seconds", "1 row, ms", "32 rows, ms"),
)


def _row(cell: Cell, models: dict[str, dict[int, Line]], before: dict[int, Line]) -> Sequence[str]:
    ours = models.get(OURS, {})
    compared = {m: _comparable(ours, of) for m, of in models.items() if m != OURS}
    compared = {m: of for m, of in compared.items() if of}
    first = next(iter(next(iter(models.values())).values()))
    name = f"{cell[1]}", first["metric"], f"{first['rows']:,}"
    shown = _spread(list(ours.values()))
    if not compared:
        return [cell[0], *name, str(len(ours)), _spread(list(before.values())), shown, *[""] * 7]
    best = max(compared, key=lambda m: statistics.mean(map(_value, compared[m].values())))
    peer = compared[best]
    seeds = sorted(peer)
    own = [ours[s] for s in seeds if s in ours]
    gap, verdict = "", ""
    if own:
        mean = statistics.mean(_value(ours[s]) - _value(peer[s]) for s in seeds)
        half = difference(*[[of[s]["replicates"] for s in seeds] for of in (ours, peer)])
        gap = f"{mean:+.4f} ± {half:.4f}"
        verdict = "best" if mean >= 0 else "within" if mean > -half else "loses"
    pairs = [
        " / ".join(_median(field, of) for of in (own, list(peer.values())))
        for field in ("seconds", "ms_1", "ms_32")
    ]
    values = _spread(list(before.values())), shown, best, _spread(list(peer.values()))
    return [cell[0], *name, str(len(seeds)), *values, gap, verdict, *pairs]


def _comparable(ours: dict[int, Line], peer: dict[int, Line]) -> dict[int, Line]:
    """The peer's lines on the rows that ours had."""
    if not ours:
        return peer
    return {s: p for s, p in peer.items() if s in ours and ours[s]["digest"] == p["digest"]}


def _value(line: Line) -> float:
    return float(line["values"][line["metric"]])


def _spread(lines: Sequence[Line]) -> str:
    values = [_value(line) for line in lines]
    if not values:
        return ""
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{deviation}"


def _median(field: str, lines: Sequence[Line]) -> str:
    return f"{statistics.median(line[field] for line in lines):.3g}" if lines else "-"


def _listed(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    absolute = lambda text: Path(os.path.abspath(text))  # noqa: E731
    parser.add_argument("--data", type=absolute, required=True)
    parser.add_argument("--work", type=absolute, required=True)
    parser.add_argument("--sets", type=_listed, help="default: all tables of DIR, or ours")
    parser.add_argument("--seeds", type=int, help="default 3, or 5 for small sets")
    parser.add_argument("--peers", default="all")
    parser.add_argument("--without-ours", action="store_true")
    parser.add_argument("--add", type=absolute, action="append", default=[])
    parser.add_argument("--before", type=absolute)
    parser.add_argument(
        "--budget-minutes", type=float, default=math.inf, help="start no trial after this time"
    )
    args = parser.parse_args()
    args.sets = args.sets or list(tables(args.data) or DEFAULT)
    known = list(peers(args.data))
    args.peers = {"all": known, "none": []}.get(args.peers, _listed(args.peers))
    if unknown := set(args.peers) - set(known):
        raise SystemExit(f"unknown peers: {', '.join(sorted(unknown))}. Known: {', '.join(known)}.")
    return args


def main() -> None:
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    file, end = args.work / "results.jsonl", time.monotonic() + 60 * args.budget_minutes
    files = [*args.add, file]
    done = {(r["set"], r["seed"], r["model"]) for r in results(files)}
    available = peers(args.data)
    for dataset in args.sets:
        base = dataset.partition("-")[0]
        for seed in range(args.seeds or (5 if base in MORE_SEEDS else 3)):
            wanted = [*args.peers, *([] if args.without_ours else [OURS])]
            for model in wanted:
                if (dataset, seed, model) in done or time.monotonic() > end:
                    continue
                peer = available.get(model)
                if peer is not None and not peer.suits(_problem(dataset, args.data, seed)):
                    continue
                trial = Trial(dataset, seed, model, args.data, args.work)
                if peer is None or peer.keras:  # a process that trained dozens is slower and larger
                    context = multiprocessing.get_context("spawn")
                    with ProcessPoolExecutor(1, context) as alone:
                        lines = alone.submit(trial.run).result()
                else:
                    lines = trial.run()
                with file.open("a") as stream:
                    stream.writelines(json.dumps(line) + "\n" for line in lines)
                scores = ", ".join(f"{r['task']} {_value(r):.4f}" for r in lines[:4])
                print(
                    f"{dataset} seed {seed} {model}: {scores}; {lines[0]['seconds']} s", flush=True
                )
    if time.monotonic() > end:
        print(f"{args.budget_minutes:g} minutes are over.")
    found = [r for r in results(files) if r["set"] in args.sets]
    print(table(found, results([args.before]) if args.before else [], args.sets))


if __name__ == "__main__":
    main()
