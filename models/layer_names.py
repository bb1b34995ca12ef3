"""Names of layers that TensorFlow accepts."""

from __future__ import annotations

import re

_REFUSED = re.compile(r"[^A-Za-z0-9_.-]")


def scope_of(name: str) -> str:
    """The name of an input or task as a name of layers, which are scopes in TensorFlow's graphs.

    Inputs and tasks may have any letters in their names. TensorFlow takes ASCII letters, so that
    other characters become their code points: `größe` becomes `grxf6xdfe`.
    """
    return _REFUSED.sub(lambda match: f"x{ord(match[0]):x}", name)
