"""Marks the tests that need LightGBM, whose wheel needs a library of the system."""

from __future__ import annotations

import importlib

import pytest


def _why_not() -> str:
    try:
        importlib.import_module("lightgbm")
    except (ImportError, OSError) as e:
        return f"LightGBM cannot be imported here: {e}"
    return ""


NEEDS_LIGHTGBM = pytest.mark.skipif(bool(_why_not()), reason=_why_not() or "it is here")
