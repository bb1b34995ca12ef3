"""Completion, as bash itself does it."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from pipeline.cli.completion import script
from pipeline.cli.main import parsers

ASK = """
COMP_WORDS=({words}); COMP_CWORD={last}
_rootstock
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("rootstock stu", {"study"}),
        ("rootstock run --ex", {"--explain"}),
        ("rootstock infer --as par", {"parquet"}),
        ("rootstock completion z", {"zsh"}),
        ("rootstock run spec.yaml --exp", {"--explain"}),
    ],
)
def test_bash(words: str, expected: set[str]) -> None:
    code = script("bash", parsers()[1]) + ASK.format(words=words, last=len(words.split()) - 1)
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == expected, done.stderr


def test_other_shells() -> None:
    zsh, fish = (script(shell, parsers()[1]) for shell in ("zsh", "fish"))
    assert zsh.startswith("autoload")
    assert "complete -c rootstock -n '__fish_seen_subcommand_from run' -l explain -d" in fish
    assert "__fish_seen_subcommand_from completion' -a 'bash zsh fish'" in fish
    for shell, code in (("zsh", zsh), ("fish", fish)):
        if (found := shutil.which(shell)) is not None:
            subprocess.run([found, "-n", "-c", code], check=True)
