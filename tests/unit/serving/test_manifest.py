"""What a manifest notices."""

from collections.abc import Callable
from pathlib import Path

import pytest

from serving import manifest
from serving.manifest import Depth, differences, from_json, manifest_of, shortened, to_json


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "part").mkdir()
    for name in ("part/a", "part/b", "c"):
        (tmp_path / name).write_text(name)
    return tmp_path


DAMAGE: dict[str, tuple[Callable[[Path], object], dict[Depth, list[str]]]] = {
    "nothing": (lambda root: None, {}),
    "deleted": (lambda root: (root / "part/a").unlink(), {"sizes": ["part/a is missing"]}),
    "cut": (
        lambda root: (root / "part/a").write_text("part/"),
        {"sizes": ["part/a has 5 bytes instead of 6"]},
    ),
    "flipped": (
        lambda root: (root / "part/a").write_text("part/b"),
        {"checksums": ["the content of part/a has changed"]},
    ),
    "added": (lambda root: (root / "d").write_text(""), {"sizes": ["d should not be there"]}),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named(root: Path, kind: str) -> None:
    known = from_json(to_json(manifest_of(root)))
    damage, expected = DAMAGE[kind]
    damage(root)
    said: list[str] = []
    depths: tuple[Depth, ...] = ("sizes", "checksums", "digests")
    for depth in depths:
        said = expected.get(depth, said)
        assert differences(root, known, depth) == said
    assert differences(root, known, "sizes", extra=False) == [
        phrase for phrase in expected.get("sizes", []) if "missing" in phrase or "bytes" in phrase
    ]


def test_a_file_that_is_known_to_be_unchanged_is_not_read(root: Path) -> None:
    known = manifest_of(root)
    (root / "c").write_text("d")
    assert differences(root, known, "checksums", lambda name, info: name == "c") == []
    assert len(differences(root, known, "checksums", lambda name, info: name != "c")) == 1


@pytest.mark.parametrize("value", [None, [], {"a": 1}, {"a": [1, 2]}, {"a": ["1", 2, "3"]}])
def test_what_is_no_manifest(value: object) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        from_json(value)


def test_many_phrases_are_counted() -> None:
    assert shortened(["a", "b"]) == "a, b"
    assert shortened(["a", "b", "c", "d", "e"]) == "a, b, c, and 2 more"


def test_files_can_be_left_out(root: Path) -> None:
    assert set(manifest.manifest_of(root, ["c"])) == {"part/a", "part/b"}
