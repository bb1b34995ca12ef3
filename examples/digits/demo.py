"""The demo: images in, a served model with three tasks out, its answers held against Keras's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from make_images import make_images

from components.trained_model import load_keras
from pipeline.run import run
from serving.client import Client

HERE = Path(__file__).parent
SPEC = HERE / "digits.yaml"


def main() -> None:
    print(f"{make_images(HERE / 'images')} images of handwritten digits in {HERE / 'images'}")
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


if __name__ == "__main__":
    main()
