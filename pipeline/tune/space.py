"""Checks that the search space of a spec's `tune` section fits the spec."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.errors import RootstockError
from pipeline.spec.load import load_spec
from pipeline.spec.metrics import chosen_metrics
from pipeline.spec.sections import Spec
from pipeline.spec.tune import SearchRange


def check_space(
    path: Path, spec: Spec, overrides: Sequence[str], variables: Mapping[str, str]
) -> None:
    """Check that every key exists and accepts its values, and that the metrics exist.

    overrides: of the spec.

    Raises:
        RootstockError: a key, value or metric is invalid.
    """
    chosen_metrics(spec, "tune", spec.tune.metrics)
    for key, space in spec.tune.space.items():
        for value in (space.low, space.high) if isinstance(space, SearchRange) else space:
            try:
                load_spec(path, [*overrides, f"{key}={json.dumps(value)}"], variables)
            except RootstockError as e:
                raise RootstockError(f"{path}: tune.space.{key}: {json.dumps(value)}: {e}") from e
