"""Free memory, and the sentence about weights that do not fit into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.trunks.sources import memory
from models.trunks.sources.memory import free_memory, more_than_free


def test_weights_are_held_against_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 5 * 2**30)
    assert more_than_free("m", 2**30, "float32") == []
    (sentence,) = more_than_free("m", 2**30 + 1, "float32")
    assert sentence.startswith("m: its 1,073,741,825 weights in float32 need about 5.0 GiB")
    assert "`dtype: bfloat16`" in sentence
    assert more_than_free("m", 2**31, "bfloat16") == []
    (sentence,) = more_than_free("m", 2**32, "bfloat16")
    assert "bfloat16 need about 9.0 GiB of memory, but 5.0 GiB are free" in sentence
    assert "halves" not in sentence


def test_a_container_may_have_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, used = tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(memory, "_LIMITS", {str(limit): str(used)})
    used.write_text("600\n")
    assert free_memory() > 2**20  # without a limit
    limit.write_text("max\n")
    assert free_memory() > 2**20
    limit.write_text("1000\n")
    assert free_memory() == 400
