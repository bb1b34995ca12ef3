"""What the Embed stage saves: a frozen trunk that runs once, or in every epoch.

    python benchmarks/embed_speed.py --preset DIR --data DIR [--epochs 20] [--length 64]

Compares wall time and metrics on SMS spam. --preset is the directory of a text model, such as
all-MiniLM-L6-v2; --data contains sms.tsv.gz. Both arms are complete runs of
`examples/spam/sms.yaml` in one process with one new store, so they use the same examples.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipeline.run import run
from pipeline.store.entry import Entry
from pipeline.store.store import Store

SPEC = Path(__file__).parent.parent / "examples/spam/sms.yaml"


@dataclass(frozen=True)
class Arm:
    """Seconds of the stages and of the median epoch; metrics of the test split."""

    embed_s: float
    trainer_s: float
    epoch_s: float
    metrics: dict[str, float]

    @property
    def seconds(self) -> float:
        return self.embed_s + self.trainer_s


def run_arm(args: argparse.Namespace, root: Path, embed: bool) -> Arm:
    overrides = {
        "model": json.dumps(
            {
                "trunk": {"name": "keras_hub", "preset": args.preset, "length": args.length},
                "transfer": {"name": "frozen", "embed": embed},
            }
        ),
        "training.epochs": args.epochs,
        "tracking.backend": "none",
        "push.destination": root / "serving",
        "store": root,
    }
    result = run(SPEC, [f"{k}={v}" for k, v in overrides.items()], {"DATA": args.data})
    store = Store(root)
    history = json.loads((result.trained.path / "history.json").read_text())
    trainer = _latest(store, "Trainer")
    steps_per_second = float(trainer.figures["steps_per_second"])
    evaluation = json.loads((result.evaluation.path / "evaluation.json").read_text())
    return Arm(
        embed_s=_latest(store, "Embed").seconds if embed else 0.0,
        trainer_s=trainer.seconds,
        epoch_s=history["steps_per_epoch"] / steps_per_second,
        metrics={k: v for k, v in evaluation["tasks"]["spam"]["values"].items() if v is not None},
    )


def _latest(store: Store, stage: str) -> Entry:
    entry = store.latest(stage)
    assert entry is not None
    return entry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--length", type=int, default=64)
    args = parser.parse_args()
    args.preset = str(Path(args.preset).resolve())
    with tempfile.TemporaryDirectory() as directory:
        with_embed, without = (run_arm(args, Path(directory), embed) for embed in (True, False))
    print(f"\n{args.epochs} epochs          Embed  every epoch")
    for label, attribute in (
        ("Embed s", "embed_s"),
        ("Trainer s", "trainer_s"),
        ("both s", "seconds"),
        ("an epoch s", "epoch_s"),
    ):
        values = getattr(with_embed, attribute), getattr(without, attribute)
        print(f"{label:14}{values[0]:13.2f}{values[1]:13.2f}")
    for metric, value in with_embed.metrics.items():
        print(f"{metric:14}{value:13.4f}{without.metrics[metric]:13.4f}")
    print(f"{without.seconds / with_embed.seconds:.1f} times faster")


if __name__ == "__main__":
    main()
