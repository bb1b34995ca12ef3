"""The experts of a model, as a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.experts.record import FILE, read_experts, save_experts


def test_no_experts_are_an_empty_list(tmp_path: Path) -> None:
    save_experts((), tmp_path)
    assert read_experts(tmp_path) == ()


def test_an_unknown_kind_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('[{"kind": "oracle", "name": "oracle"}]')
    with pytest.raises(ValueError, match="oracle"):
        read_experts(tmp_path)
