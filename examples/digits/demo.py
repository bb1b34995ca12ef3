"""The demo, in three parts.

1. Train and serve one model with three tasks; compare the served predictions with those of Keras.
2. Train a trunk (shared layers) on digits 0 to 4 and reuse it for digits 5 to 9 with few labels.
3. Run a study: is one model for three tasks better than three models?
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from make_images import FOLDERS, make_images

from components.artifacts import TrainedModel
from components.export.keras_model import load_keras
from pipeline.flow import PipelineResult
from pipeline.operations.publish import publish_trunk_of
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

    print("\nServing the model as `rootstock serve` does, with requests over REST and gRPC:")
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
    print("\nIs one model for three tasks as good as three models? A small study with nine seeds:")
    study(SPEC, workers=2)
    print(f"\nServe it yourself: .venv/bin/rootstock serve {SPEC}")
    print(f"See all runs:      .venv/bin/rootstock ui {SPEC}")


def compare(model: TrainedModel, rest_port: int, grpc_port: int) -> None:
    """Print predictions for one image of each digit, and their largest difference from Keras."""
    files = [sorted((HERE / "images" / str(digit)).glob("*.png"))[0] for digit in range(10)]
    images = np.array([f.read_bytes() for f in files], dtype=object)
    expected = load_keras(model)({"image": images})
    for url in (f"http://127.0.0.1:{rest_port}", f"grpc://127.0.0.1:{grpc_port}"):
        served = Client(url, "digits").predict({"image": images})
        largest = max(float(np.abs(served[t] - np.asarray(expected[t])).max()) for t in served)
        print(f"{url}: largest difference from the Keras model {largest:.1e}")
        assert largest <= 1e-5
    for digit, file in enumerate(files):
        digits, even, loops = (served[t][digit] for t in ("digit", "even", "loops"))
        print(
            f"  {file.relative_to(HERE)}: digit {digits.argmax()} ({digits.max():.0%}),"
            f" even {even.item():.0%}, loops {loops.argmax()} ({loops.max():.0%})"
        )


def transfer() -> None:
    """Print the accuracy on digits 5 to 9: from a trunk for digits 0 to 4, and from scratch."""
    print("\nA trunk trained on digits 0 to 4, published as a TF-Hub module:")
    run(FIRST_HALF, wait=False)
    shutil.rmtree(TRUNK, ignore_errors=True)
    publish_trunk_of(load_spec(FIRST_HALF)[0], TRUNK)
    print(f"{TRUNK}: loads anywhere with tensorflow_hub.load\n\nDigits 5 to 9, from this trunk:")
    transferred = accuracy(run(SECOND_HALF, wait=False))
    print("\nDigits 5 to 9, from scratch:")
    scratch = accuracy(run(SECOND_HALF, FROM_SCRATCH, wait=False))
    subset = load_spec(SECOND_HALF)[0].training.subset
    assert subset is not None
    print(
        f"\nDigits 5 to 9, {subset.per_class} labelled images each, accuracy on the test images:"
        f"\n  from the trunk of 0 to 4: {transferred:.1%}"
        f"\n  from scratch:             {scratch:.1%}"
    )


def accuracy(result: PipelineResult) -> float:
    """The accuracy of the task `digit` on the test split."""
    evaluation = json.loads((result.evaluation.path / "evaluation.json").read_text())
    return float(evaluation["tasks"]["digit"]["values"]["accuracy"])


if __name__ == "__main__":
    main()
