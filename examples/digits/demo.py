"""The demo: images in, a served model with three tasks out, its answers held against Keras's; then
a trunk taught by the digits 0 to 4, reused for 5 to 9 with few labels; then a study of whether one
model for three tasks is better than three models.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from make_images import FOLDERS, make_images

from components.training.trained_model import load_keras
from pipeline.operations.publish import publish
from pipeline.run import run
from pipeline.spec.load import load_spec
from pipeline.study.run import study
from serving.client.client import Client

HERE = Path(__file__).parent
SPEC = HERE / "digits.yaml"
FIRST_HALF, SECOND_HALF = HERE / "first_half.yaml", HERE / "second_half.yaml"
TRUNK = HERE / "trunk"
FROM_SCRATCH = (
    "name=digits-5-to-9-from-scratch",
    "model={trunk: {name: scratch, image: {widths: [16, 32]}}}",
)


def main() -> None:
    for name, classes in FOLDERS.items():
        print(f"{make_images(HERE / name, classes)} images of handwritten digits in {HERE / name}")
    result = run(SPEC)
    pushed = result.pushed.load()
    assert pushed.pushed, pushed.reasons

    print("\nServing it, as `rootstock serve` does, and asking it over REST and gRPC:")
    base = Path(pushed.path).parent
    command = [sys.executable, "-m", "serving.server", "--model", f"digits={base}"]
    command += ["--rest-port", "0", "--grpc-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            ports = json.loads(server.stdout.readline())
            compare(result.model, ports["rest_port"], ports["grpc_port"])
        finally:
            server.terminate()
    transfer()
    print("\nDoes one model for three tasks pay? A small study, of seven seeds:")
    study(SPEC, workers=2)
    print(f"\nServe it yourself: .venv/bin/rootstock serve {SPEC}")
    print(f"See the record:    .venv/bin/rootstock ui {SPEC}")


def compare(model, rest_port: int, grpc_port: int) -> None:
    """Print answers for one image of each digit, and how far the served ones are from Keras's."""
    files = [sorted((HERE / "images" / str(digit)).glob("*.png"))[0] for digit in range(10)]
    images = np.array([f.read_bytes() for f in files], dtype=object)
    expected = load_keras(model)({"image": images})
    for url in (f"http://127.0.0.1:{rest_port}", f"grpc://127.0.0.1:{grpc_port}"):
        answers = Client(url, "digits").predict({"image": images})
        worst = max(float(np.abs(answers[t] - np.asarray(expected[t])).max()) for t in answers)
        print(f"{url}: largest difference from the Keras model {worst:.1e}")
        assert worst <= 1e-5
    for digit, file in enumerate(files):
        digits, even, loops = (answers[t][digit] for t in ("digit", "even", "loops"))
        print(
            f"  {file.relative_to(HERE)}: digit {digits.argmax()} ({digits.max():.0%}),"
            f" even {even.item():.0%}, loops {loops.argmax()} ({loops.max():.0%})"
        )


def transfer() -> None:
    """Print how well digits 5 to 9 are told apart, with a trunk that knows 0 to 4 and without."""
    print("\nA trunk taught by digits 0 to 4, published as a TF-Hub module:")
    run(FIRST_HALF, wait=False)
    shutil.rmtree(TRUNK, ignore_errors=True)
    publish(load_spec(FIRST_HALF)[0], TRUNK)
    print(f"{TRUNK}: loads anywhere with tensorflow_hub.load\n\nDigits 5 to 9 from it:")
    transferred = accuracy(run(SECOND_HALF, wait=False))
    print("\nThe same from scratch:")
    scratch = accuracy(run(SECOND_HALF, FROM_SCRATCH, wait=False))
    subset = load_spec(SECOND_HALF)[0].training.subset
    print(
        f"\nDigits 5 to 9, {subset.per_class} labelled images each, accuracy on the test images:"
        f"\n  with the trunk of 0 to 4: {transferred:.1%}"
        f"\n  from scratch:             {scratch:.1%}"
    )


def accuracy(result) -> float:
    """On the test split, of the task `digit`."""
    told = json.loads((result.evaluation.path / "evaluation.json").read_text())
    return told["tasks"]["digit"]["values"]["accuracy"]


if __name__ == "__main__":
    main()
