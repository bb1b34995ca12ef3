"""The fields of a search space and the values that trials tried, as people read them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable


def short_names(fields: Iterable[str]) -> dict[str, str]:
    """The ends of their names, such as `learning_rate`, where these differ."""
    ends = {field: field.rpartition(".")[2] for field in fields}
    uses = Counter(ends.values())
    return {field: end if uses[end] == 1 else field for field, end in ends.items()}


def as_text(value: object) -> str:
    value = value_of(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def value_of(value: object) -> float | str:
    """What a trial tried, as a number if it is one. Choices are JSON in Optuna.

    Example: `{"name": "mmoe", "experts": 4}` gives `mmoe (experts 4)`.
    """
    parsed = json.loads(value) if isinstance(value, str) else value
    if isinstance(parsed, int | float) and not isinstance(parsed, bool):
        return parsed
    if isinstance(parsed, dict) and "name" in parsed:
        others = ", ".join(f"{key} {v}" for key, v in parsed.items() if key != "name")
        return f"{parsed['name']} ({others})" if others else str(parsed["name"])
    return parsed if isinstance(parsed, str) else str(value)
