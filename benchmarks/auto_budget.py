"""Minutes asked of `rootstock auto` and minutes taken, also when it is killed on the way.

    python benchmarks/auto_budget.py --data DIR --work DIR [--sets wine,diabetes,breast_cancer]
        [--runs 30] [--kills 10] [--minutes 1]

Run r searches set r modulo the number of sets, with the next seed. The first `--kills` runs are
killed (SIGKILL to the process alone) at evenly spaced moments of their budget, and then started
again with the same command. A run fails if the command does not end with exit code 0 and a
model that is pushed, if a finished trial is trained again, or if a process outlives the killed one.

Each run is appended to `<work>/auto_budget.jsonl` at once; runs that are there are not repeated.
`taken`: seconds of the commands together, from the start of each process to its end. `killed`: the
seconds after which it was killed. `value`: of the metric on test rows.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from best_answer_data import problem_of

ROOT = Path(__file__).parents[1]
RECORDING = "pipeline.tracking.sync"
"""What tells MLflow that a run was killed is meant to outlive it."""
ORPHANS_S = 5.0
"""Workers look for their parent every second."""


def descendants(pid: int) -> list[int]:
    """The processes below one, from `/proc`."""
    try:
        own = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [child for one in map(int, own) for child in (one, *descendants(one))]


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def trials(directory: Path) -> list[dict[str, Any]]:
    file = directory / "state.json"
    found: list[dict[str, Any]] = json.loads(file.read_text())["trials"] if file.exists() else []
    return found


def called(pid: int) -> str:
    """The command of a process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except FileNotFoundError:
        return ""


def searched(command: list[str], log: Path, seconds: float | None) -> tuple[int, float, list[str]]:
    """Run a search, and kill it after so many seconds.

    Returns its exit code, the seconds that it took, and the commands of its processes that
    outlived it.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    began = time.monotonic()
    with log.open("a") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
        below: list[int] = []
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            below = descendants(process.pid)
            process.send_signal(signal.SIGKILL)
            process.wait()
        took = time.monotonic() - began
    if below:
        time.sleep(ORPHANS_S)
    return process.returncode, took, [called(pid) for pid in below if running(pid)]


def one_run(args: argparse.Namespace, number: int) -> dict[str, Any]:
    name, seed = args.sets[number % len(args.sets)], number // len(args.sets)
    problem, asked = problem_of(name, args.data, seed), 60 * args.minutes
    folder = args.work / f"run-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    data, _ = problem.write(folder)
    command = [sys.executable, "-m", "pipeline.cli.main", "auto", str(data)]
    command += [x for label in problem.labels for x in ("--label", label.name)]
    command += ["--minutes", f"{args.minutes:g}", "--output", str(folder / "auto")]
    line: dict[str, Any] = {"run": number, "set": name, "seed": seed, "asked": asked}
    taken, before, problems = 0.0, [], []
    if number < args.kills:
        moment = asked * (number + 0.5) / args.kills
        code, taken, orphans = searched(command, folder / "log.txt", moment)
        before = trials(folder / "auto")
        line |= {"killed": round(taken, 1), "trials_before": len(before)}
        problems += [f"outlived it: {orphan}" for orphan in orphans if RECORDING not in orphan]
        problems += [f"it had ended with {code}"] if code != -signal.SIGKILL else []
    code, last, _ = searched(command, folder / "log.txt", None)
    after, board = trials(folder / "auto"), folder / "auto" / "report" / "leaderboard.json"
    pushed = list((folder / "auto" / ".rootstock" / "serving").glob("*/*/saved_model.pb"))
    problems += [f"exit code {code}"] if code else []
    problems += [] if pushed else ["nothing pushed"]
    problems += ["a trial was repeated"] if after[: len(before)] != before else []
    line |= {"taken": round(taken + last, 1), "trials": len(after), "problems": problems}
    if not code:
        found = re.findall(r"On test rows.*: \S+ (\w+) ([\d.]+)", (folder / "log.txt").read_text())
        line |= {"winner": json.loads(board.read_text())["winner"], "value": found[-1]}
    return line


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    absolute = lambda text: Path(os.path.abspath(text))  # noqa: E731
    parser.add_argument("--data", type=absolute, required=True)
    parser.add_argument("--work", type=absolute, required=True)
    sets = ["wine", "diabetes", "breast_cancer"]
    parser.add_argument("--sets", type=lambda text: text.split(","), default=sets)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=1.0)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    file = args.work / "auto_budget.jsonl"
    lines = [json.loads(x) for x in file.read_text().splitlines()] if file.exists() else []
    for number in range(args.runs):
        if all(line["run"] != number for line in lines):
            lines.append(one_run(args, number))
            with file.open("a") as out:
                out.write(json.dumps(lines[-1]) + "\n")
            print(lines[-1], flush=True)
    shares = sorted(line["taken"] / line["asked"] for line in lines)
    print(
        f"{len(lines)} runs: taken / asked {shares[0]:.2f} to {shares[-1]:.2f}, median"
        f" {shares[len(shares) // 2]:.2f}; {sum(s <= 1.1 for s in shares)} within 10 % over"
    )
    if any(line["problems"] for line in lines):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
