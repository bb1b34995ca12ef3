"""Checks that the search space of a spec's `tune` section fits the spec."""

from __future__ import annotations

import json

from components.errors import RootstockError
from pipeline.spec.load import SpecSource
from pipeline.spec.metrics import chosen_metrics
from pipeline.spec.sections import Spec
from pipeline.spec.tune import SearchRange


def check_space(source: SpecSource, spec: Spec) -> None:
    """Check that every key exists and accepts its values, and that the metrics exist.

    Raises:
        RootstockError: a key, value or metric is invalid.
    """
    chosen_metrics(spec, "tune", spec.tune.metrics)
    for key, space in spec.tune.space.items():
        for value in (space.low, space.high) if isinstance(space, SearchRange) else space:
            text = json.dumps(value)
            try:
                source.spec(f"{key}={text}")
            except RootstockError as e:
                raise RootstockError(f"{source.path}: tune.space.{key}: {text}: {e}") from e
