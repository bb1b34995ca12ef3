"""Python code in trained models from elsewhere: it runs only if the user allows it.

docs/security.md says what is trusted, and why.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.data.digests import digest_tree
from components.errors import RootstockError
from models.model_files import RECORD
from pipeline.store.store import Store

MODEL_STAGES = ("Trainer", "Exporter")
"""The stages that publish trained models."""


@dataclass(frozen=True)
class Code:
    """A module that a trained model contains, because a `layer` input was made of it."""

    file: Path
    feature: str
    layer: str
    source: str

    def __str__(self) -> str:
        lines = self.source.splitlines()
        return (
            f"{self.file}: the class {self.layer} of feature {self.feature!r} ({len(lines)} lines)"
        )


def check_code(model: Path, allowed: bool, store: Path) -> None:
    """Check that no code of strangers would run.

    model: the directory of a trained model. allowed: the user trusts it. store: of the spec.

    Raises:
        RootstockError: the model contains code, and was not made in the store.
    """
    code = [] if allowed else list(code_in(model))
    if not code or digest_tree(model) in _made_in(store):
        return
    listed = "\n".join(map(str, code))
    raise RootstockError(
        "model.trunk: the trained model contains Python code, which training and export would"
        f" run:\n{listed}\nThis model was not made in the store {store}. Read"
        " the code, the `source` of that feature. If you trust those who made the model, set"
        " model.trunk.allow_code: true."
    )


def code_in(model: Path) -> Iterator[Code]:
    """The code in a trained model, and in the models that its own trunk came from."""
    for file in sorted(model.rglob(RECORD)):
        try:
            features = json.loads(file.read_bytes()).get("features", ())
        except (ValueError, AttributeError):
            continue  # no record: reading it fails before anything runs
        for feature in features if isinstance(features, list) else ():
            if isinstance(feature, dict) and "source" in feature:
                named = (str(feature.get(key, "")) for key in ("name", "layer", "source"))
                yield Code(file, *named)


def models_in(store: Path, stage: str) -> Iterator[tuple[float, Path, str]]:
    """When each model that a stage has published was created, its directory, and its digest.

    store: the directory, or that of the copies of a remote store, which may lack the models.
    """
    if (mirror := Store(store).mirror) is not None:
        mirror.learn(stage)
    for file in store.glob(f"{stage}/[!.]*/artifact.json"):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):  # it is damaged
            record = json.loads(file.read_text())
            digest = record["outputs"]["model"]["digest"]
            yield record["created"], file.parent / "model", digest


def _made_in(store: Path) -> set[str]:
    return {digest for stage in MODEL_STAGES for _, _, digest in models_in(store, stage)}
