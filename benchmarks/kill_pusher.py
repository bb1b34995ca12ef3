"""Kill pushing processes (kill -9) at random moments: only complete versions may ever be served.

    python benchmarks/kill_pusher.py [--kills 50] [--seed 0]

Pushing a model with many files takes a while; each pusher is killed somewhere in between, and
sometimes two push at once. After each kill, every version on disk must be complete, version
numbers must only have grown, and the server (which polls) must have refused none. The last push
must succeed.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hot_swap import write_constant

from serving.client.client import Client
from serving.server.launch import ServerProcess
from serving.versions.directory import Directory
from serving.versions.history import version_numbers

FILES, FILE_BYTES = 40, 100_000
PUSH = """
import sys
from pathlib import Path
from serving.versions.directory import Directory
print("ready", flush=True)
sys.stdin.readline()
Directory(Path(sys.argv[1])).push("m", Path(sys.argv[2]), sys.argv[3], keep=5)
print("pushed", flush=True)
"""


def pusher(base: Path, model: Path, digest: str) -> subprocess.Popen[str]:
    """A process that waits for `go` and then pushes."""
    command = [sys.executable, "-c", PUSH, str(base), str(model), digest]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def go(process: subprocess.Popen[str]) -> None:
    """Let a pusher start."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def how_long(base: Path, model: Path) -> float:
    """Seconds that a push takes on this machine."""
    process = pusher(base, model, "first")
    began = time.perf_counter()
    go(process)
    process.communicate()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    source = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as directory:
        base, model = Path(directory, "served"), Path(directory, "model")
        write_constant(model, 1.0)
        for number in range(FILES):
            Path(model, "assets", f"{number}.bin").parent.mkdir(exist_ok=True)
            Path(model, "assets", f"{number}.bin").write_bytes(bytes(FILE_BYTES))
        whole = {p.relative_to(model): p.stat().st_size for p in model.rglob("*") if p.is_file()}
        takes = how_long(base, model)
        seen, killed, finished = version_numbers(base / "m"), 0, 1
        options = ["--poll-seconds", "0.05"]
        with ServerProcess({"m": base / "m"}, Path(directory, "log"), options) as server:
            url = f"http://127.0.0.1:{server.wait(120)['rest']}"
            with Client(url, "m") as client:
                while killed < args.kills:
                    together = [
                        pusher(base, model, str(source.random()))
                        for _ in range(1 + (source.random() < 0.3))
                    ]
                    for process in together:
                        go(process)
                    time.sleep(source.random() * takes * 1.1)
                    for process in together:
                        killed += process.poll() is None
                        process.kill()
                        out, _ = process.communicate()
                        finished += "pushed" in out
                    now = version_numbers(base / "m")
                    new = sorted(set(now) - set(seen))
                    assert not new or new[0] > max(seen), f"{new} after {seen}"
                    for version in now:
                        for name, size in whole.items():
                            assert (base / "m" / str(version) / name).stat().st_size == size, (
                                f"version {version} lacks {name}"
                            )
                    seen = sorted({*seen, *now})
                    errors = [v for v in client.status() if v.error_code != "OK"]
                    assert not errors, errors
                    assert client.predict({"x": [0.0]})["first"] == [1.0]
                last = Directory(base).push("m", model, "last")
                assert last > max(seen)
                left = [
                    p.name
                    for p in (base / "m").iterdir()
                    if p.name.startswith((".staging", ".retired"))
                ]
                assert not left, left
    print(
        f"{killed} pushers killed (a push takes {takes * 1e3:.0f} ms), {finished} finished,"
        f" {len(seen)} versions appeared, all whole; the next push is version {last}"
    )


if __name__ == "__main__":
    main()
