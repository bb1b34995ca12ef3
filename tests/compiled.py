"""Specs to compile, for the tests of orchestrators."""

from __future__ import annotations

from pathlib import Path

from components.stage import BeamOptions
from pipeline.orchestrators.base import Compilation
from pipeline.orchestrators.compile import compilation
from pipeline.spec.load import SpecSource
from tests.planted import write_spec

IMAGE = "orchestration.image=here/rootstock:1"
BUCKET = ("store=s3://bucket/store", "data.sources.0.path=s3://bucket/rows.csv")
ASKED = "orchestration.resources={train: {cpu: 4, memory: 16Gi, gpus: 1}}"


def source(directory: Path, *overrides: str, **variables: str) -> SpecSource:
    path = write_spec(directory, ("up",))
    return SpecSource(path, (*overrides, IMAGE), variables)


def compiled(what: SpecSource, *shared: str) -> Compilation:
    return compilation(what, shared, BeamOptions())
