"""Java and C++ ask a SavedModel, with raw inputs and with prepared ones, and answer like Keras.

    python -m benchmarks.other_languages STORE/Exporter/<result>/model ...

Java needs `mvn` and a JDK of 17 or later, and Maven Central (`tensorflow-core-api` 1.1.0, 160 MB);
C++ needs `g++`, and takes the library and the headers of TensorFlow's wheel. A language whose tools
are not there is skipped. Reports as JSON lines.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from components.artifacts import ExportedModel
from components.export.expected_outputs import read_details, read_expected
from serving.server.saved_model import SavedModel
from serving.wire.names import DEFAULT_SIGNATURE, FROM_FEATURES, TO_FEATURES

SOURCES = Path(__file__).with_suffix("")
Program = Sequence[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--build", type=Path, default=Path(tempfile.gettempdir()) / "ask")
    args = parser.parse_args()
    wrong = False
    for language, needs, build in (("java", "mvn", java), ("c++", "g++", cpp)):
        if shutil.which(needs) is None:
            print(json.dumps({"language": language, "skipped": f"{needs} is not on the path"}))
            continue
        program = build(args.build / language)
        for path in args.models:
            for signature, figures in compared(program, ExportedModel(path)).items():
                wrong |= not figures["difference"] < 1e-4
                about = {"language": language, "model": str(path), "signature": signature}
                print(json.dumps({**about, **figures}), flush=True)
    sys.exit(int(wrong))


def compared(program: Program, model: ExportedModel) -> Mapping[str, Mapping[str, float]]:
    """By signature: the largest difference from Keras for one row, and the time with loading."""
    raw, expected = read_expected(model.expected)
    keras = {**read_details(model.expected), **expected}
    served = SavedModel(model.saved_model)
    asked = {DEFAULT_SIGNATURE: raw}
    if TO_FEATURES in served.signatures:
        asked[FROM_FEATURES] = served.predict(TO_FEATURES, raw)
    found = {}
    for signature, inputs in asked.items():
        row = {name: values[:1] for name, values in inputs.items()}
        began = time.monotonic()
        answers = ask(program, model.saved_model, signature, row)
        seconds = time.monotonic() - began
        differences = [np.abs(np.array(v) - keras[name][0]).max() for name, v in answers.items()]
        found[signature] = {"difference": float(max(differences)), "seconds": round(seconds, 2)}
    return found


def ask(
    program: Program, saved_model: Path, signature: str, row: Mapping[str, np.ndarray]
) -> dict[str, list[float]]:
    """The numbers of one row, by output."""
    with tempfile.TemporaryDirectory() as directory:
        arguments: list[str] = []
        for position, (name, values) in enumerate(row.items()):
            file = Path(directory) / str(position)
            text = values.dtype == object
            file.write_bytes(values[0] if text else values.tobytes())
            kind = "string" if text else values.dtype.name
            arguments += [name, kind, ",".join(map(str, values.shape)), str(file)]
        command = [*program, str(saved_model), signature, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{program[0]} failed:\n{done.stderr[-3000:]}")
    answers: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return answers


def java(build: Path) -> Program:
    classes, libraries = build / "classes", build / "lib"
    if not libraries.exists():
        copy = ["dependency:copy-dependencies", f"-DoutputDirectory={libraries}"]
        run(["mvn", "-q", "-B", "-f", str(SOURCES / "pom.xml"), *copy])
    run(["javac", "-cp", f"{libraries}/*", "-d", str(classes), str(SOURCES / "Ask.java")])
    return ["java", "-cp", f"{classes}:{libraries}/*", "Ask"]


def cpp(build: Path) -> Program:
    import tensorflow as tf

    build.mkdir(parents=True, exist_ok=True)
    program, library = build / "ask", tf.sysconfig.get_lib()
    flags = [*tf.sysconfig.get_compile_flags(), f"-L{library}", f"-Wl,-rpath,{library}"]
    # kernels register themselves: no symbol of theirs is named, so the linker would drop them
    link = ["-Wl,--no-as-needed", "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"]
    run(["g++", "-O0", "-w", str(SOURCES / "ask.cc"), "-o", str(program), *flags, *link])
    return [str(program)]


def run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(
            f"{' '.join(command[:3])} failed:\n{done.stderr[-3000:]}{done.stdout[-500:]}"
        )


if __name__ == "__main__":
    main()
