"""The demo: one model for three tasks; what its trunk is worth for a new question, and what two
cheap tasks are worth for a dear one.

1. Train and serve one model with three tasks; compare the served predictions with those of Keras.
2. A study of transfer: a new question with 40 labels, from that model's trunk and from scratch.
3. A study of sharing: 60 labels of one task, with two other tasks and without them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from make_images import make_images, make_tables

from components.artifacts import TrainedModel
from components.export.keras_model import load_keras
from pipeline.run import run
from pipeline.study.run import study
from serving.client.client import Client
from serving.server.launch import ServerProcess

HERE = Path(__file__).parent
SPEC = HERE / "digits.yaml"
NEW_QUESTION = HERE / "new_question.yaml"
FEW_LABELS = HERE / "few_labels.yaml"
IMAGES = HERE / "images"


def main() -> None:
    print(f"{make_images(IMAGES, range(10))} images of handwritten digits in {IMAGES}")
    make_tables(IMAGES)
    print("\n1. One model for three tasks: which digit, even or odd, how many closed loops.\n")
    result = run(SPEC)
    pushed = result.pushed.load()
    if not pushed.pushed:
        sys.exit("The demo ends here: without a served model there is nothing to compare.")

    print("\nServing the model as `rootstock serve` does, with requests over REST and gRPC:")
    base = Path(pushed.path).parent
    with ServerProcess({"digits": base}, HERE / ".rootstock" / "server.log") as server:
        ports = server.wait(120)
        compare(result.model, ports["rest"], ports["grpc"])
    print(
        "\n2. Transfer: a new question, is the digit 5 or more? Only 40 training images answer it."
        "\nFrom scratch, or from the trunk (shared layers) of the model above? Seven seeds:\n"
    )
    study(NEW_QUESTION, workers=2)
    print(
        "\n3. Sharing: only 60 training images say which digit they show; all say whether it is"
        "\neven, and how many loops it has. Three models, or one for all? Nine seeds:\n"
    )
    study(FEW_LABELS, workers=2)
    print(f"\nServe it yourself: .venv/bin/rootstock serve {SPEC}")
    print(f"See all runs:      .venv/bin/rootstock ui {SPEC}")


def compare(model: TrainedModel, rest_port: int, grpc_port: int) -> None:
    """Print predictions for one image of each digit, and their largest difference from Keras."""
    files = [sorted((IMAGES / str(digit)).glob("*.png"))[0] for digit in range(10)]
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


if __name__ == "__main__":
    main()
