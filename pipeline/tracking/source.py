"""Where a run comes from, as MLflow's UI shows it: the spec file and the commit it is in."""

from __future__ import annotations

import subprocess
from pathlib import Path

from models.masked_url import without_secrets

LONGEST_S = 2.0
"""Time for git to answer: a repository may be on a slow disk."""


def source_tags(spec: Path) -> dict[str, str]:
    """MLflow's tags: the file and, if it is in a git repository, the commit, branch and address of
    that, and `dirty`: whether the commit lacks the spec, or files that git tracks were changed.
    """
    tags = {"mlflow.source.name": str(spec), "mlflow.source.type": "LOCAL"}
    folder = spec.absolute().parent
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return tags
    untracked = not _git(folder, "ls-files", "--", spec.name)
    changed = untracked or bool(_git(folder, "status", "--porcelain", "-uno"))
    told = {
        "commit": commit,
        "branch": _git(folder, "symbolic-ref", "--short", "HEAD"),
        "repoURL": without_secrets(_git(folder, "remote", "get-url", "origin")),
        "dirty": str(changed).lower(),
    }
    return tags | {f"mlflow.source.git.{name}": value for name, value in told.items() if value}


def _git(folder: Path, *arguments: str) -> str:
    """What git answers about a folder; empty if there is no git or no repository."""
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
