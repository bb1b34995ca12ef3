"""The contract of artifacts, which are found by discovery, with the real store."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, fields, make_dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import pytest

from components import artifacts
from components.artifacts import Artifact, SourceFiles
from components.data.digests import digest_source, digest_tree
from pipeline.store.entry import Entry
from pipeline.store.fingerprint import Identity
from pipeline.store.store import Store
from tests.stages import inputs_and_outputs, stage_classes, types_of

CLASSES = [
    cls
    for cls in vars(artifacts).values()
    if inspect.isclass(cls) and issubclass(cls, Artifact) and cls is not Artifact
]
USED = {
    artifact
    for stage in stage_classes()
    for side in inputs_and_outputs(stage)
    for artifact in types_of(side)
}
"""The artifacts in the inputs and outputs of stages."""
FILES = {"first.bin": bytes(range(256)), "train/second.bin": b"", "train/third.bin": b"\x00" * 70}
"""Content of files by path: nested, empty, and with bytes that are no text."""

every_artifact = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


class OneOutput(Protocol):
    """The outputs of a stage with one output field, `payload`."""

    payload: Artifact


def content_of(directory: Path) -> dict[str, bytes]:
    files = (p for p in directory.rglob("*") if p.is_file())
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in files}


def write(directory: Path) -> Path:
    for name, content in FILES.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return directory


def publish(cls: type[Artifact], store: Store) -> tuple[type[OneOutput], Entry]:
    """Publish `FILES` as the output of a stage. Returns the type of its outputs, and the entry."""
    outputs_type = make_dataclass("Outputs", [("payload", cls)], frozen=True)
    identity = Identity(cls.__name__, "{}", {}, {})
    with store.attempt(identity) as attempt:
        outputs = outputs_type(cls(write(attempt.output / "payload")))
        store.publish(identity, attempt, outputs, {}, 0.0)
    entry = store.find(identity)
    assert entry is not None
    return cast(Any, outputs_type), entry


def test_discovery_finds_artifacts() -> None:
    assert len(CLASSES) > 10


@every_artifact
def test_it_is_a_frozen_dataclass_of_a_path_and_a_digest(cls: type[Artifact]) -> None:
    further = ["raw"] if cls is SourceFiles else []
    assert [f.name for f in fields(cls)] == ["path", "digest", "origin", *further]
    artifact = cls(Path("x"), "digest")
    with pytest.raises(FrozenInstanceError):
        artifact.digest = "other"  # type: ignore[misc]
    assert {artifact} == {cls(Path("x"), "digest")}
    assert inspect.getdoc(cls) != inspect.getdoc(Artifact)


@every_artifact
def test_a_stage_reads_or_writes_it(cls: type[Artifact]) -> None:
    assert cls in USED


@every_artifact
def test_it_comes_out_of_the_store_as_it_went_in(cls: type[Artifact], tmp_path: Path) -> None:
    outputs_type, entry = publish(cls, Store(tmp_path / "store").open())
    loaded = entry.load(outputs_type).payload
    assert type(loaded) is cls
    assert content_of(loaded.path) == FILES
    assert loaded.digest == digest_tree(loaded.path) == digest_tree(write(tmp_path / "copy"))


@every_artifact
@pytest.mark.parametrize("name", [name for name, content in FILES.items() if content])
def test_a_flipped_byte_gives_another_digest(
    cls: type[Artifact], name: str, tmp_path: Path
) -> None:
    outputs_type, entry = publish(cls, Store(tmp_path / "store").open())
    loaded = entry.load(outputs_type).payload
    index = tmp_path / "index"
    source_digest = digest_source(str(loaded.path), index)
    flipped = bytearray(FILES[name])
    flipped[len(flipped) // 2] ^= 1
    (loaded.path / name).write_bytes(flipped)
    assert digest_tree(loaded.path) != loaded.digest
    assert digest_source(str(loaded.path), index) != source_digest
    (loaded.path / name).write_bytes(FILES[name])
    assert digest_tree(loaded.path) == loaded.digest
