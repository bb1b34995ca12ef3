"""Train a trunk (shared layers) on digits 0 to 4; reuse it for digits 5 to 9 with few labels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from make_images import FOLDERS, make_images

from pipeline.flow import PipelineResult
from pipeline.operations.publish import publish_trunk_of
from pipeline.run import run
from pipeline.spec.load import load_spec

HERE = Path(__file__).parent
FIRST_HALF, SECOND_HALF = HERE / "first_half.yaml", HERE / "second_half.yaml"
TRUNK = HERE / "trunk"
FROM_SCRATCH = (
    "name=digits-5-to-9-from-scratch",
    "model={trunk: {name: scratch, image: {widths: [16, 32]}}}",
)


def main() -> None:
    """Print the accuracy on digits 5 to 9: from a trunk for digits 0 to 4, and from scratch."""
    for name, classes in FOLDERS.items():
        make_images(HERE / name, classes)
    print("A trunk trained on digits 0 to 4, published as a TF-Hub module:")
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
