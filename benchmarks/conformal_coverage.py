"""Do intervals and sets hold the right label as often as `coverage` asks? On real data.

    python benchmarks/conformal_coverage.py --data DIR --work DIR [--sets diabetes,…] [--seeds 3]
        [--coverage 0.9] [--resamples 200] [--out benchmarks/results/conformal_coverage.jsonl]

The default spec of `init` is trained once for each set and seed; what its members (network and
experts) say of validation and test rows is kept in `--work`. Then validation rows are drawn anew
from all of these, as many as there were. They weigh network and experts, as in training, and give
the radius; the others are the test. So rows have the same two parts as in training, but for one:
the epoch, which was chosen by the first draw. `expected`: of rows without any part in training,
ceil((n + 1) · coverage) / (n + 1). `first`: the coverage of the real split, where
validation rows had all three parts.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from best_answer_data import problem_of
from best_answer_ours import starter
from pydantic import TypeAdapter

from components.artifacts import Examples, TrainedModel
from components.calibration.conformal import radius, rank
from components.data.raw import raw_inputs
from components.export.keras_model import load_keras
from components.labels.base import labels_of
from components.labels.encoding import encode_split, labelled
from components.training.stacking import HALF_TRUST, weighed
from models.experts.margins import MARGINS
from models.lazy import tf
from models.multitask.record import ModelRecord
from models.tasks.base import TaskTarget
from models.tasks.heads.head import Head, head_for
from pipeline.run import run

BATCH_ROWS = 256
TARGETS = TypeAdapter(TaskTarget)


def members(trained: TrainedModel, examples: Examples) -> dict[str, np.ndarray]:
    """By `<task>/<what>`: raw outputs of the network, and of the experts together, for labelled
    validation rows and then test rows; their labels; how many are validation rows; the target.
    """
    served = load_keras(trained)
    record: ModelRecord = served.record
    word, arrays = served.model.last_word, {}
    splits: dict[str, list[dict[str, np.ndarray]]] = {"val": [], "test": []}
    for split, parts in splits.items():
        raw = raw_inputs(examples.read(split), record.features)
        for start in range(0, examples.num_rows(split), BATCH_ROWS):
            rows = {n: tf.constant(v[start : start + BATCH_ROWS]) for n, v in raw.items()}
            features = served.features(rows)
            outputs = {n: o.numpy() for n, o in served.model(features, training=False).items()}
            if MARGINS in features:
                outputs[MARGINS] = features[MARGINS].numpy()
            parts.append(outputs)
    first = 0
    for i, (name, units) in enumerate(zip(word.tasks, word.units, strict=True)):
        target = next(t for t in record.targets if t.name == name)
        network, experts, labels, validation = [], [], [], 0
        for split, parts in splits.items():
            encoded = encode_split([target], examples, split)[name]
            known = labelled(encoded)
            validation += int(known.sum()) if split == "val" else 0
            labels.append(encoded[known])
            network.append(np.concatenate([p[name] for p in parts])[known])
            if word.member_weights:
                weights = np.asarray(word.member_weights[i])[1:]
                margins = np.concatenate([p[MARGINS] for p in parts])[known]
                own = np.stack(np.split(margins, len(weights), axis=1))[..., first : first + units]
                total = np.einsum("m,mru->ru", weights / max(weights.sum(), 1e-9), own)
                experts.append(total)
        first += units
        arrays[f"{name}/labels"] = np.concatenate(labels)
        arrays[f"{name}/network"] = np.concatenate(network)
        if experts:
            arrays[f"{name}/experts"] = np.concatenate(experts)
            arrays[f"{name}/weight"] = np.asarray(word.member_weights[i])[:1]
        arrays[f"{name}/validation"] = np.array(validation)
        arrays[f"{name}/target"] = np.array(TARGETS.dump_json(target).decode())
    return arrays


def answered(
    head: Head, arrays: dict[str, np.ndarray], validation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Nonconformity of all rows, after these rows have weighed network and experts; and the raw
    outputs.
    """
    target, name = head.target, head.target.name
    outputs, labels = arrays[f"{name}/network"].astype(np.float64), arrays[f"{name}/labels"]
    if f"{name}/experts" in arrays:
        pair = np.stack([outputs, arrays[f"{name}/experts"].astype(np.float64)])
        trust = target.labelled / (target.labelled + HALF_TRUST)
        objectives = labels_of(target.task).objectives(target, labels[validation])
        outputs = weighed(pair[:, validation], objectives, trust)(pair)
    raw = tf.constant(outputs, tf.float32)
    return head.nonconformity(tf.constant(labels), raw).numpy(), outputs


def covered(head: Head, arrays: dict[str, np.ndarray], rows: np.ndarray, coverage: float) -> Any:
    """The coverage on the other rows, and the mean number of classes or relative width there."""
    scores, outputs = answered(head, arrays, rows)
    reach = radius(scores[rows], coverage)
    others = np.setdiff1d(np.arange(len(scores)), rows)
    region = head.region(tf.constant(outputs[others], tf.float32), reach)
    size = (
        tf.reduce_sum(tf.cast(region["set"], tf.float32), axis=1)
        if "set" in region
        else region["upper"] - region["lower"]
    )
    return float((scores[others] <= reach).mean()), float(tf.reduce_mean(size))


def resampled(
    arrays: dict[str, np.ndarray], coverage: float, resamples: int
) -> list[dict[str, Any]]:
    """One line per task."""
    lines = []
    for name in (key.partition("/")[0] for key in arrays if key.endswith("/target")):
        target = TARGETS.validate_json(str(arrays[f"{name}/target"]))
        head, count = head_for(target), int(arrays[f"{name}/validation"])
        rows, rng = len(arrays[f"{name}/labels"]), np.random.default_rng(0)
        first, size = covered(head, arrays, np.arange(count), coverage)
        draws = [
            covered(head, arrays, np.sort(rng.permutation(rows)[:count]), coverage)
            for _ in range(resamples)
        ]
        shares = np.array([share for share, _ in draws])
        line = {"task": name, "kind": target.task.kind, "validation": count, "test": rows - count}
        expected = rank(count, coverage) / (count + 1)
        line |= {"asked": coverage, "expected": round(expected, 4)}
        line |= {"resamples": resamples, "mean": round(float(shares.mean()), 4)}
        line |= {"deviation": round(float(shares.std()), 4), "first": round(first, 4)}
        lines.append(line | {"size": round(size, 3), "shares": shares.round(4).tolist()})
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sets", default="diabetes,breast_cancer,census-2000,digits,sms-256")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--coverage", type=float, default=0.9)
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    for name in args.sets.split(","):
        for seed in range(args.seeds):
            file = args.work / f"{name}-{seed}.npz"
            if not file.exists():
                folder = args.work / f"{name}-{seed}"
                folder.mkdir(parents=True, exist_ok=True)
                path = starter(problem_of(name, args.data, seed), folder, seed)
                run(path, wait=False)
                examples = next((folder / "store" / "ExampleGen").glob("*/examples"))
                trained = next((folder / "store" / "Trainer").glob("*/model"))
                gathered = members(TrainedModel(trained), Examples(examples))
                np.savez(file, allow_pickle=False, **gathered)
            with np.load(file) as arrays:
                lines = resampled(dict(arrays), args.coverage, args.resamples)
            for line in lines:
                line = {"set": name, "seed": seed, **line}
                print({k: v for k, v in line.items() if k != "shares"}, flush=True)
                if args.out:
                    with args.out.open("a", encoding="utf-8") as out:
                        out.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
