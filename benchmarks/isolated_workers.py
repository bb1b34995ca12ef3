"""Data stages with workers that see nothing of the driver's disk, against the same in one process.

    pip install 'moto[server]' s3fs
    python benchmarks/isolated_workers.py "PrismRunner prism_location=PRISM" [RUNNER …]

Needs Linux and root. The workers (Beam's worker pool) have a root directory of their own: in a new
mount namespace, with the system's programs, Python, its packages and this code, read-only, and an
empty /tmp. They reach a server that imitates S3 (moto) and the runner through the network. The
driver's spec, scratch and cache are not there; a worker tries to open them, and says what it found.

A table of random rows and a folder of images run from ExampleGen to Transform: with a directory as
store in this process, and with a store in S3 on each runner. Digests must be equal. Then trials of
a study of the table: their metrics must be equal.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from remote_store import BUCKET, files, requests, s3

from components.beam.map_units import map_units
from components.stage import BeamOptions, Context, Remote
from pipeline.store.place import local

SYSTEM = ("/bin", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr")
TABLE = """\
name: table
data:
  sources: [{{format: csv, path: "{source}/rows.csv", types: {{age: int}}}}]
  max_bad_fraction: 0.1
  duplicates: {{columns: [age, income, city, note]}}
inputs:
  age: {{kind: numeric}}
  city: {{kind: categorical}}
  note: {{kind: text, length: 8}}
tasks:
  rich: {{kind: binary, label: rich, positive: "yes"}}
  level: {{kind: multiclass, label: level}}
"""
IMAGES = """\
name: images
data:
  sources: [{{format: image_folder, path: "{source}/images"}}]
inputs:
  image: {{kind: image, height: 16, width: 16}}
tasks:
  shape: {{kind: multiclass, label: class}}
"""
COMMON = """\
model: {{experts: none}}
push: {{destination: served}}
store: "{store}"
tracking: {{backend: none}}
"""
STUDY = """\
training: {{epochs: 2, subset: {{rows: 600}}}}
study:
  seeds: 2
  fractions: [1]
  controls: []
  arms: {{single: {{models: each}}, multitask: {{}}}}
"""


def probe(index: int, path: str) -> dict[str, Any]:
    """In a worker: what it sees of a file of the driver."""
    try:
        with open("/" + path, "rb"):
            found = "it can be opened"
    except OSError as e:
        found = repr(e)
    return {"found": found, "pid": os.getpid(), "/": os.listdir("/"), "/tmp": os.listdir("/tmp")}


def stages(spec_file: Path, runner: str) -> None:
    """In a process of its own: run the data stages, and print what they gave."""
    from pipeline.flow import prepare
    from pipeline.runner import Runner
    from pipeline.spec.load import load_spec
    from pipeline.store.store import Store

    name, *options = runner.split()
    spec, _ = load_spec(spec_file, [], {})
    beam = BeamOptions(name, tuple(options))
    began = time.monotonic()
    with Runner(Store(local(spec.store)), beam=beam) as run:
        prepare(spec, run)
        entries = [run.store.at(result.path) for result in run.results]
    digests = {
        f"{e.identity.stage}.{n}": o["digest"]
        for e in entries
        if e is not None
        for n, o in e.outputs.items()
    }
    figures = {e.identity.stage: dict(e.figures) for e in entries if e is not None}
    result = {"digests": digests, "figures": figures, "s": time.monotonic() - began}
    print(json.dumps(result))


def trials(spec_file: Path, runner: str) -> None:
    """In a process of its own: run a study, and print the metrics of its trials on test rows."""
    from pipeline.spec.load import load_spec
    from pipeline.study.run import study

    name, *options = runner.split()
    began = time.monotonic()
    study(spec_file, beam=BeamOptions(name, tuple(options)), verbosity="quiet")
    found = []
    root = local(load_spec(spec_file, [], {})[0].store)
    for trial in json.loads((root / "studies/table/study.json").read_text())["trials"]:
        tasks = {task: figures["test"] for task, figures in trial["tasks"].items()}
        found.append([trial["arm"], trial["seed"], tasks])
    print(json.dumps({"trials": found, "s": time.monotonic() - began}))


def probed(driver: Path, runner: str) -> None:
    """In a process of its own: let workers look for files of the driver; print what they say."""
    from isolated_workers import probe as work  # not that of `__main__`

    name, *options = runner.split()
    place = Path(tempfile.mkdtemp(dir=driver))
    scratch, output = place / "scratch", place / "output"
    scratch.mkdir()
    output.mkdir()
    seen = [str(p).lstrip("/") for p in (driver / "table.yaml", scratch, *_records())]
    remote = Remote(f"s3://{BUCKET}/probe", ())
    context = Context(output, scratch, BeamOptions(name, tuple(options)), remote=remote)
    for path, answer in zip(seen, map_units("probe", seen, work, context), strict=True):
        there = Path("/" + path).exists()
        print(
            f"  worker {answer['pid']}: /{path} (there for the driver: {there}): {answer['found']}"
        )
    print(f"  its /: {sorted(answer['/'])}; its /tmp: {answer['/tmp']}")


def _records() -> list[Path]:
    """A record of a result in the cache of the driver."""
    return sorted(Path(os.environ["ROOTSTOCK_CACHE"]).rglob("artifact.json"))[:1]


@contextmanager
def isolated_workers(directory: Path) -> Iterator[str]:
    """The address of a pool of workers in a root directory of their own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = directory / "root"
    packages = [p for p in sys.path if p and Path(p).is_dir()]
    code = Path(__file__).resolve().parents[1]
    shown = [*SYSTEM, sys.prefix, sys.base_prefix, str(code), *packages]
    shown = [p for p in dict.fromkeys(shown) if Path(p).exists()]
    outer = [p for p in shown if not any(p != o and p.startswith(f"{o}/") for o in shown)]
    lines = ["set -e", "mount --make-rprivate /", f"mkdir -p {root}", f"mount -t tmpfs none {root}"]
    for path in outer:
        target = f"{root}{path}"
        if os.path.islink(path):
            lines.append(f"ln -s {os.readlink(path)} {target}")
        else:
            lines += [f"mkdir -p {target}", f"mount --rbind {path} {target}"]
            if path not in ("/dev", "/proc", "/sys"):
                lines.append(f"mount -o remount,bind,ro {target}")
    worker = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main"]
    worker.append(f"--service_port={port}")
    lines += [f"mkdir -p {root}/tmp {root}/root", f"cd {root}"]
    lines.append(f"exec chroot {root} {shlex.join(worker)}")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(code), *packages])}
    path = f"{sys.prefix}/bin:{os.environ['PATH']}"  # the pool starts `python`
    environment |= {"TMPDIR": "/tmp", "HOME": "/tmp", "PATH": path}
    del environment["ROOTSTOCK_CACHE"]
    with open(directory / "workers.log", "wb") as log:
        command = ["unshare", "--mount", "sh", "-c", "\n".join(lines)]
        pool = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        for _ in range(300):
            if pool.poll() is not None:
                sys.exit((directory / "workers.log").read_text())
            with socket.socket() as probe_:
                if probe_.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        yield f"127.0.0.1:{port}"
    finally:
        pool.kill()
        pool.wait()


def write_data(directory: Path, rows: int, images: int) -> None:
    import numpy as np
    from PIL import Image

    draw = random.Random(0)
    words = [f"word{i}" for i in range(500)]
    (directory / "images").mkdir(parents=True)
    with open(directory / "rows.csv", "w") as out:
        out.write("id,age,income,city,note,rich,level\n")
        for i in range(rows):
            age = "old" if i % 1000 == 999 else draw.randrange(99)  # a bad record
            note = " ".join(draw.choices(words, k=6))
            rich, level = "yes" if draw.random() < 0.3 else "no", f"l{i % 3}"
            line = f"{i},{age},{draw.random():.6f},city{draw.randrange(300)},{note},{rich},{level}"
            out.write(f"{line}\n")
    pixels = np.random.default_rng(0)
    for i in range(images):
        folder = directory / "images" / f"class{i % 3}"
        folder.mkdir(exist_ok=True)
        image = Image.fromarray(pixels.integers(0, 255, (16, 16, 3), np.uint8))
        image.save(folder / f"{i:05d}.png")


def run(*arguments: str) -> str:
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"a run failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runners", nargs="*", metavar="RUNNER")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--stages", nargs=2, metavar=("SPEC", "RUNNER"))
    parser.add_argument("--trials", nargs=2, metavar=("SPEC", "RUNNER"))
    parser.add_argument("--probe", nargs=2, metavar=("DIRECTORY", "RUNNER"))
    args = parser.parse_args()
    if args.stages:
        stages(Path(args.stages[0]), args.stages[1])
        return
    if args.trials:
        trials(Path(args.trials[0]), args.trials[1])
        return
    if args.probe:
        probed(Path(args.probe[0]), args.probe[1])
        return
    with tempfile.TemporaryDirectory() as place, s3(Path(place)):
        driver, data = Path(place, "driver"), Path(place, "data")
        driver.mkdir()
        write_data(data, args.rows, args.images)
        files().put(str(data), f"s3://{BUCKET}/raw", recursive=True)
        here: dict[str, Any] = {}
        for name, text in {"table": TABLE, "images": IMAGES}.items():
            spec = driver / f"{name}.yaml"
            spec.write_text((text + COMMON).format(source=data, store=driver / "store"))
            here[name] = json.loads(run("--stages", str(spec), "FnApiRunner").splitlines()[-1])
            print(f"{name}, in one process: {here[name]['s']:.1f} s", flush=True)
        spec = driver / "study.yaml"
        spec.write_text((TABLE + COMMON + STUDY).format(source=data, store=driver / "store"))
        alone = json.loads(run("--trials", str(spec), "FnApiRunner").splitlines()[-1])
        print(f"study, in this machine's processes: {alone['s']:.1f} s", flush=True)
        for number, runner in enumerate(args.runners):
            with isolated_workers(Path(place)) as address:
                with_pool = f"environment_type=EXTERNAL environment_config={address}"
                for name, text in {"table": TABLE, "images": IMAGES}.items():
                    spec, store = driver / f"{name}.yaml", f"s3://{BUCKET}/store{number}"
                    source = f"s3://{BUCKET}/raw"
                    spec.write_text((text + COMMON).format(source=source, store=store))
                    before = requests(Path(place))
                    found = json.loads(
                        run("--stages", str(spec), f"{runner} {with_pool}").splitlines()[-1]
                    )
                    if found["digests"] != here[name]["digests"]:
                        sys.exit(f"digests differ: {here[name]['digests']} {found['digests']}")
                    sent = requests(Path(place)) - before
                    print(f"{name}, {runner}: the same {len(found['digests'])} digests,", end=" ")
                    print(f"{found['s']:.1f} s, {sent} requests", flush=True)
                store = f"s3://{BUCKET}/store{number}"
                text = TABLE + COMMON + STUDY
                spec.write_text(text.format(source=f"s3://{BUCKET}/raw", store=store))
                before = requests(Path(place))
                found = json.loads(
                    run("--trials", str(spec), f"{runner} {with_pool}").splitlines()[-1]
                )
                if found["trials"] != alone["trials"]:
                    sys.exit(f"metrics differ: {alone['trials']} {found['trials']}")
                sent = requests(Path(place)) - before
                print(
                    f"study, {runner}: the same metrics of {len(found['trials'])} trials,", end=" "
                )
                print(f"{found['s']:.1f} s, {sent} requests", flush=True)
                print(run("--probe", str(driver), f"{runner} {with_pool}"), end="")


if __name__ == "__main__":
    main()
