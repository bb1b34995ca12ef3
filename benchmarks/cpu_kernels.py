"""Is training faster with oneDNN's kernels or with TensorFlow's own (Eigen) on this processor?

    python benchmarks/cpu_kernels.py [--rounds 3] [--preset DIR] [--length 64]

Measures epochs of the Trainer on the cases of `trainer_speed.py` and, with the preset of a text
model, fine-tuning steps on batches of 32 random texts. The two kernels take turns, each in a new
process (TensorFlow reads the setting once); a ratio is the median over rounds. On processors
without AVX-512's neural network instructions, TensorFlow chooses Eigen; Rootstock chooses oneDNN
(`models/lazy.py`).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

KERNELS = {"Eigen": "0", "oneDNN": "1"}


def measured(kernels: str, preset: str | None, length: int) -> dict[str, float]:
    """Steps per second of every case, after one warm-up epoch."""
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = KERNELS[kernels]
    from trainer_speed import Ours, census, objects

    speeds = {}
    with tempfile.TemporaryDirectory() as directory:
        for case in (census(), objects()):
            epoch = Ours(case, Path(directory)).epoch
            speeds[case.name] = -(-case.rows // case.batch_size) / _seconds(epoch, 2)
    if preset:
        speeds["text"] = 1 / _seconds(_text_step(preset, length), 8)
    return speeds


def _seconds(run: Callable[[], object], repeats: int) -> float:
    run()
    began = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - began) / repeats


def _text_step(preset: str, length: int) -> Callable[[], object]:
    import keras_hub
    import numpy as np

    from models.lazy import keras

    backbone = keras_hub.models.Backbone.from_preset(preset)
    logit = keras.layers.Dense(1)(backbone.output["pooled_output"])
    model = keras.Model(backbone.input, logit)
    model.compile(keras.optimizers.Adam(1e-5), keras.losses.BinaryCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    shape = (32, length)
    columns = {
        "token_ids": rng.integers(1000, 30000, shape),
        "segment_ids": np.zeros(shape, int),
        "padding_mask": np.ones(shape, int),
    }
    labels = rng.integers(0, 2, (32, 1))
    return lambda: model.train_on_batch(columns, labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--preset", type=os.path.abspath)
    parser.add_argument("--length", type=int, default=64, help="tokens")
    args = parser.parse_args()
    taken: list[dict[str, dict[str, float]]] = []
    for _ in range(args.rounds):
        taken.append({})
        for kernels in KERNELS:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
                job = alone.submit(measured, kernels, args.preset, args.length)
                taken[-1][kernels] = job.result()
    print(f"steps/s   {''.join(f'{k:>10}' for k in KERNELS)}     ratio")
    for case in taken[0]["Eigen"]:
        speeds = [statistics.median(r[k][case] for r in taken) for k in KERNELS]
        ratio = statistics.median(r["oneDNN"][case] / r["Eigen"][case] for r in taken)
        print(f"{case:10}{''.join(f'{s:10.1f}' for s in speeds)}{ratio:10.2f}")


if __name__ == "__main__":
    main()
