"""Do all Beam runners produce the same digests of data artifacts?

    python benchmarks/runner_digests.py SPEC --data DIR FnApiRunner "PrismRunner prism_location=P"

Each argument after the spec is a runner with its options. It runs from ExampleGen to Transform in
a separate process. Prints the digest of each artifact and the seconds; exits with 1 if digests
differ.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STAGES = ("ExampleGen", "StatisticsGen", "Transform")


def stages(spec_file: Path, data: str, runner: str) -> dict[str, list[str | float]]:
    """Run the data stages; digest and seconds by stage."""
    from components.stage import BeamOptions
    from pipeline.flow import prepare
    from pipeline.runner import Runner
    from pipeline.spec.load import load_spec
    from pipeline.store.store import Store

    name, *options = runner.split()
    with tempfile.TemporaryDirectory() as store:
        spec, _ = load_spec(spec_file, [f"store={store}"], {"DATA": data})
        beam = BeamOptions(name, tuple(options))
        with Runner(Store(Path(store)).open(), beam=beam) as run:
            prepare(spec, run)
            return {
                r.stage: [_digest(r.path), round(r.seconds, 1)]
                for r in run.results
                if r.stage in STAGES
            }


def _digest(entry: Path) -> str:
    outputs = json.loads((entry / "artifact.json").read_text())["outputs"]
    return " ".join(f"{name}:{output['digest'][:12]}" for name, output in sorted(outputs.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path)
    parser.add_argument("runners", nargs="+")
    parser.add_argument("--data", type=os.path.abspath, required=True)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        began = time.monotonic()
        results = stages(args.spec, args.data, args.runners[0])
        print(json.dumps({**results, "all": ["", round(time.monotonic() - began, 1)]}))
        return
    digests = set()
    for runner in args.runners:
        command = [sys.executable, __file__, str(args.spec), runner, "--data", args.data, "--one"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        results = json.loads(output.splitlines()[-1])
        print(runner)
        for stage, (digest, seconds) in results.items():
            print(f"  {stage:14} {seconds:6.1f} s  {digest}")
        digests.add(tuple(digest for digest, _ in results.values()))
    if len(digests) > 1:
        sys.exit("digests differ")
    print("the same digests everywhere")


if __name__ == "__main__":
    main()
