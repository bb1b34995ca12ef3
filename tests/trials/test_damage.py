"""Damage to cached results and pushed versions: each file deleted, flipped, cut.

The pipeline of three inputs runs once. Then its files are damaged in copies of its store.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.store.entry import RECORD, Entry
from pipeline.store.store import Store
from serving.versions.history import FILE
from tests.command_line import call, sets

SPEC = """\
name: fruit
seed: 3
data:
  sources: [{format: csv, path: rows.csv}]
  splits: {train: 0.7, val: 0.15, test: 0.15}
inputs:
  size: {kind: numeric}
  colour: {kind: categorical}
  words: {kind: text, length: 8}
tasks:
  ripe: {kind: binary, label: ripe, positive: "yes"}
  weight: {kind: regression, label: grams}
model: {experts: none}
training: {epochs: 2, batch_size: 32}
push: {destination: served}
tracking: {backend: none}
store: store
"""
STAGES = 11


def delete(file: Path) -> None:
    file.unlink()


def flip(file: Path) -> None:
    """One bit in the middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.unlink()  # a hard link of another result stays as it is
    file.write_bytes(content)


def cut(file: Path) -> None:
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[: len(content) // 2])


DAMAGE: tuple[Callable[[Path], None], ...] = (delete, flip, cut)


@dataclass(frozen=True)
class Project:
    path: Path

    def store(self) -> Store:
        return Store(self.path / "store")

    def entries(self) -> list[Entry]:
        found = [entry for _, entry in self.store().entries() if entry is not None]
        assert len(found) >= STAGES
        return found

    def digests(self) -> dict[str, object]:
        """The outputs of each stage."""
        return {e.identity.stage: e.outputs for e in self.entries()}

    def run(self, *overrides: str) -> tuple[int, str, str]:
        return call(self.path, "run", "spec.yaml", *sets(*overrides))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Project:
    directory = tmp_path_factory.mktemp("whole")
    (directory / "spec.yaml").write_text(SPEC)
    rng = random.Random(0)
    lines = ["size,colour,words,ripe,grams"]
    for _ in range(400):
        size, colour = rng.uniform(1, 9), rng.choice(["red", "green"])
        words = " ".join(rng.choices(["sweet", "sour", "crisp"], k=4))
        lines.append(f"{size:.3f},{colour},{words},{'yes' if size > 5 else 'no'},{size * 20:.1f}")
    (directory / "rows.csv").write_text("\n".join(lines) + "\n")
    project = Project(directory)
    code, out, err = project.run()
    assert code == 0, err
    assert "Pushed version 1" in out
    return project


@pytest.fixture
def copy(whole: Project, tmp_path: Path) -> Project:
    project = Project(shutil.copytree(whole.path, tmp_path / "copy"))
    shutil.rmtree(project.path / "store/Pusher")  # it pushed to the directory of the original
    code, out, err = project.run()
    assert (code, out.count("  cached")) == (0, STAGES - 1), err
    return project


def files_of(project: Project) -> list[Path]:
    """The files of all results, relative to the project, with their records."""
    return [
        place.relative_to(project.path)
        for entry in project.entries()
        for place in (
            entry.path / RECORD,
            *(entry.path / output / name for output, m in entry.files.items() for name in m),
        )
    ]


@pytest.mark.slow
def test_each_damaged_file_is_noticed(copy: Project) -> None:
    tried = 0
    identities = {e.path: e.identity for e in copy.entries()}
    for file in [copy.path / name for name in files_of(copy)]:
        before = file.read_bytes()
        entry = next(parent for parent in file.parents if parent in identities)
        for damage in DAMAGE:
            if not before and damage is not delete:
                continue
            damage(file)
            store = copy.store()
            assert store.find(identities[entry]) is None, (file, damage)
            [phrase] = store.damage(identities[entry])
            assert file.name in phrase
            tried += 1
            file.unlink(missing_ok=True)
            file.write_bytes(before)
            assert store.find(identities[entry]) is not None
    assert tried > 100
    code, out, err = call(copy.path, "verify", "spec.yaml")
    assert (code, "Nothing is damaged" in out) == (0, True), err


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_one_file_of_each_stage_is_damaged(copy: Project, damage: Callable[[Path], None]) -> None:
    """All results are made again, with the same content."""
    before, rng = copy.digests(), random.Random(7)
    for entry in copy.entries():
        files = {
            entry.path / output / name: file.size
            for output, manifest in sorted(entry.files.items())
            for name, file in sorted(manifest.items())
        }
        some = [file for file, size in files.items() if size]
        if some:
            damage(rng.choice(some))
        else:  # an empty file cannot be cut
            delete(next(iter(files)))
    code, _, err = call(copy.path, "verify", "spec.yaml")
    assert code == 2
    assert len(err.splitlines()) == STAGES + 1
    code, out, err = copy.run()
    assert code == 0, err
    assert out.count("made again: was damaged") == STAGES
    assert err.count("the cached result is damaged and is made again") == STAGES
    assert copy.digests() == before
    assert "Version 1 already contains this model" in out
    assert call(copy.path, "verify", "spec.yaml")[0] == 0


@pytest.mark.slow
def test_a_lost_shard_with_another_setting(whole: Project, copy: Project) -> None:
    """The results are those of a store that was never damaged."""
    other = ("training.epochs=1", "inputs.colour.buckets=7", "push.destination=other")
    fresh = Project(copy.path.with_name("fresh"))
    shutil.copytree(whole.path, fresh.path, ignore=shutil.ignore_patterns("store", "served"))
    assert fresh.run(*other)[0] == 0
    examples = next(e for e in copy.entries() if e.identity.stage == "ExampleGen").path
    shard = next((examples / "examples/train").glob("*.parquet"))
    for damage in DAMAGE:
        content = shard.read_bytes()
        damage(shard)
        code, _, err = copy.run(*other)
        assert code == 0, err
        assert "ExampleGen: the cached result is damaged" in err
        assert shard.read_bytes() == content
    ours, theirs = (
        {e.identity.fingerprint: e.outputs for e in p.entries() if e.identity.stage != "Pusher"}
        for p in (copy, fresh)
    )
    assert theirs.items() <= ours.items()


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_each_file_of_a_pushed_version(copy: Project, damage: Callable[[Path], None]) -> None:
    version = copy.path / "served/fruit/1"
    tried = 0
    for file in sorted(p for p in version.rglob("*") if p.is_file()):
        if file.relative_to(version) == FILE or not (before := file.read_bytes()):
            continue
        damage(file)
        assert call(copy.path, "verify", "spec.yaml")[0] == 2, file
        if damage is not flip:
            assert "DAMAGED: " in call(copy.path, "models", "spec.yaml")[1]
        file.unlink(missing_ok=True)
        file.write_bytes(before)
        tried += 1
    assert tried >= 5
    assert call(copy.path, "verify", "spec.yaml")[0] == 0
    if damage is not flip:
        damage(version / "variables/variables.index")
        code, out, err = copy.run()
        assert code == 0, err
        assert "Pushed version 2" in out


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_each_damaged_file_is_made_again(copy: Project) -> None:
    before = copy.digests()
    for name in files_of(copy):
        for damage in DAMAGE:
            if not (copy.path / name).read_bytes() and damage is not delete:
                continue
            damage(copy.path / name)
            code, out, err = copy.run()
            assert code == 0, (name, damage, err)
            assert out.count("made again: was damaged") == 1, (name, damage, out)
            assert copy.digests() == before, (name, damage)
