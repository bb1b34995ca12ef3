"""The demo: few labels for one task, many for two related ones.

1. Train and serve one model with three tasks; compare the served predictions with those of Keras.
2. Run a study: is one model for three tasks better than three models?
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from make_images import make_images, make_table

from components.artifacts import TrainedModel
from components.export.keras_model import load_keras
from pipeline.run import run
from pipeline.study.run import study
from serving.client.client import Client
from serving.server.launch import ServerProcess

HERE = Path(__file__).parent
SPEC = HERE / "few_labels.yaml"
IMAGES = HERE / "images"


def main() -> None:
    print(f"{make_images(IMAGES, range(10))} images of handwritten digits in {IMAGES}")
    make_table(IMAGES / "few_labels.csv")
    result = run(SPEC)
    pushed = result.pushed.load()
    assert pushed.pushed, pushed.reasons

    print("\nServing the model as `rootstock serve` does, with requests over REST and gRPC:")
    base = Path(pushed.path).parent
    with ServerProcess({"digits": base}, HERE / ".rootstock" / "server.log") as server:
        ports = server.wait(120)
        compare(result.model, ports["rest"], ports["grpc"])
    print(
        "\nOnly 60 training images say which digit they show; all say whether it is even, and how"
        "\nmany loops it has. Do the other tasks help? A study: three models, or one, nine seeds:"
    )
    study(SPEC, workers=2)
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
