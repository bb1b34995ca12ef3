"""Headers of GGUF files: what was written is read, and damage is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.inputs.sources.gguf_file import GgufError, is_gguf, read_gguf
from tests.gguf_files import F32, LLAMA, Q8_0, llama_file, write_gguf


def test_metadata_and_places_of_tensors_are_read(tmp_path: Path) -> None:
    written = {"text": "Grüße", "no": False, "number": 7, "share": 0.5, "names": ["a", ""]}
    values = np.arange(6, dtype="float32").reshape(3, 2)
    tensors = {"x": (F32, values), "q": (Q8_0, np.zeros((2, 68), "uint8"))}
    for version in (2, 3):
        write_gguf(tmp_path / "f", written | {"empty": []}, tensors, version)
        file = read_gguf(tmp_path / "f")
        assert file.metadata == written | {"empty": []}
        assert {n: p.shape for n, p in file.tensors.items()} == {"x": (3, 2), "q": (2, 64)}
        stored = np.fromfile(tmp_path / "f", "float32", 6, offset=file.tensors["x"].offset)
        np.testing.assert_array_equal(stored.reshape(3, 2), values)
        assert file.tensors["q"].size == 128


def test_values_of_the_architecture(tmp_path: Path) -> None:
    llama_file(tmp_path / "f")
    file = read_gguf(tmp_path / "f")
    assert file.architecture == "llama"
    assert file.of_architecture("block_count") == LLAMA["llama.block_count"]
    assert file.of_architecture("none", 3) == 3
    with pytest.raises(GgufError, match=r"f: its metadata has no 'llama.none'"):
        file.of_architecture("none")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "f.gguf"
    with pytest.raises(GgufError, match=r"f.gguf: No such file"):
        read_gguf(path)
    assert not is_gguf(path)
    path.write_bytes(b"PK\3\4 not a model")
    with pytest.raises(GgufError, match=r"f.gguf: expected a GGUF file. Received: it begins with"):
        read_gguf(path)
    assert not is_gguf(path)
    write_gguf(path, {}, {}, version=1)
    with pytest.raises(GgufError, match=r"GGUF version 1\. Expected version 2 or 3"):
        read_gguf(path)
    write_gguf(path, {"split.count": 3}, {})
    with pytest.raises(GgufError, match="one of 3 parts"):
        read_gguf(path)
    assert is_gguf(path)


def test_a_header_that_ends_anywhere_is_damaged(tmp_path: Path) -> None:
    llama_file(tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    end = min(p.offset for p in read_gguf(tmp_path / "whole").tensors.values()) - 32
    for length in range(5, end, 97):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(GgufError, match="damaged or cut off"):
            read_gguf(tmp_path / "cut")


def test_announced_sizes_are_not_believed(tmp_path: Path) -> None:
    """A few bytes must not make us allocate gigabytes."""
    write_gguf(tmp_path / "f", {"numbers": [1, 2]}, {})
    data = bytearray((tmp_path / "f").read_bytes())
    place = data.index(b"numbers") + 7 + 8
    data[place : place + 8] = (2**40).to_bytes(8, "little")
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(GgufError, match=r"1,099,511,627,776 numbers are announced"):
        read_gguf(tmp_path / "f")
