"""What is said of bfloat16 on processors that do not compute it."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.training import precision

X86 = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx512f {}sha_ni\n\nprocessor\t: 1\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd {}i8mm\n"


@pytest.mark.parametrize(
    ("cpu_info", "expected"),
    [
        (X86.format("avx512_bf16 "), True),
        (X86.format("amx_bf16 amx_tile "), True),
        (X86.format("avx512_vnni "), False),
        (ARM.format("bf16 "), True),
        (ARM.format(""), False),
        ("model name : bf16", False),
    ],
)
def test_flags_of_processors(
    cpu_info: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(cpu_info)
    monkeypatch.setattr(precision, "CPU_INFO", file)
    assert precision.computes_bfloat16(cpu_info) == expected
    assert precision.without_gain(True) == ([] if expected else [precision.SLOW])
    assert precision.without_gain(False) == []


def test_nothing_is_said_where_the_processor_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "absent")
    assert precision.without_gain(True) == []
