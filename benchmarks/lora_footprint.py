"""LoRA against full fine-tuning of one pretrained text encoder: trained weights, peak memory.

    python benchmarks/lora_footprint.py --preset DIR [--length 64] [--batch-size 32] [--steps 10]

Each mode takes the same steps on the same random tokens, in a separate process. Afterwards LoRA's
updates are set to random values and merged; outputs before and after merging are compared.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np


def measure(mode: str, preset: str, length: int, batch_size: int, steps: int) -> dict[str, float]:
    """Train in this process and measure."""
    from models.balancing.loss_based.equal import Equal
    from models.inputs.encodings import Tokens
    from models.inputs.sources.pretrained_tokens import tokens_feature
    from models.lazy import keras, tf
    from models.multitask.adaptation import Adaptation
    from models.multitask.model import MultitaskModel
    from models.optimizers.variable_rates import with_variable_rates
    from models.sharing.hard import Hard
    from models.tasks.base import TaskTarget
    from models.tasks.binary import BinaryTask
    from models.transfer.fine_tune import FineTune
    from models.transfer.lora import Lora
    from models.trunks.keras_hub import KerasHub

    keras.utils.set_random_seed(0)
    trunk = KerasHub(preset=preset, length=length)
    reading = trunk.reading()
    assert isinstance(reading, Tokens)
    feature = tokens_feature(reading, "text", "text")
    task = BinaryTask(name="spam", label="spam")
    target = TaskTarget(
        task=task, classes=("negative", "positive"), class_counts=(1, 1), labelled=2
    )
    model = MultitaskModel((feature,), (target,), trunk, Hard(), Equal())
    adaptation = Adaptation(Lora() if mode == "lora" else FineTune(), model)
    adaptation.enter(adaptation.phases[-1])
    optimizer = with_variable_rates(keras.optimizers.Adam)(1e-3, rates=adaptation.variable_rates(1))
    optimizer.build(adaptation.variables)
    model.compile(optimizer)
    rng = np.random.default_rng(0)
    ids = rng.integers(1000, 2000, (batch_size * steps, length), dtype=np.int32)
    labels = rng.integers(0, 2, batch_size * steps).astype("float32")
    data = tf.data.Dataset.from_tensor_slices(({"text": ids}, {"spam": labels}))
    batches = data.batch(batch_size, drop_remainder=True)
    model.fit(batches.take(1), epochs=1, verbose=0)
    began = time.perf_counter()
    model.fit(batches, epochs=1, verbose=0)
    seconds = (time.perf_counter() - began) / steps
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    trained = sum(int(np.prod(v.shape)) for v in adaptation.variables)
    state = sum(int(np.prod(v.shape)) for v in optimizer.variables)
    figures = {
        "trained": trained,
        "parameters": model.count_params(),
        "optimizer_state": state,
        "seconds_per_step": seconds,
        "peak_gib": peak,
    }
    if mode == "lora":
        for v in adaptation.variables:
            if v.name.startswith("low_rank"):
                v.assign(rng.normal(0, 0.02, v.shape))
        few = {"text": ids[:8]}
        unmerged = np.asarray(model.trunk(few))
        adaptation.finish()
        figures["merged_difference"] = float(np.abs(np.asarray(model.trunk(few)) - unmerged).max())
        figures["parameters"] = model.count_params()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", required=True)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--mode", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.mode:
        warnings.simplefilter("ignore")
        figures = measure(args.mode, args.preset, args.length, args.batch_size, args.steps)
        print(json.dumps(figures))
        return
    print("mode        trained of      share  Adam's state  s/step  peak GiB")
    for mode in ("fine_tune", "lora"):
        command = [sys.executable, str(Path(__file__)), *sys.argv[1:], "--mode", mode]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        r = json.loads(done.stdout.splitlines()[-1])
        share = r["trained"] / r["parameters"]
        print(
            f"{mode:10} {r['trained']:>10,} {r['parameters']:>10,} {share:6.2%}"
            f" {r['optimizer_state']:>12,} {r['seconds_per_step']:7.2f} {r['peak_gib']:8.2f}"
        )
    print(f"Merged against unmerged LoRA: largest difference {r['merged_difference']:.1e}")


if __name__ == "__main__":
    main()
