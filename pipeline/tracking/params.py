"""A stage's parameters for comparison in MLflow: plain values by dotted name."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.tracking.events import Param


def flat(canonical: object, path: str = "") -> dict[str, Param]:
    """Flatten a canonical form (`pipeline.store.fingerprint`) to values by dotted path.

    Example: `{"training": {"epochs": 3}}` gives `training.epochs`. Elements of a list are named by
    their `name` field if they have one. A list of plain values is one value.
    """
    if not isinstance(canonical, dict | list):
        return {path: canonical if isinstance(canonical, str | bool) else ""}
    if isinstance(canonical, dict) and "int" in canonical:
        return {path: int(canonical["int"])}
    if isinstance(canonical, dict) and "float" in canonical:
        return {path: float.fromhex(canonical["float"])}
    if isinstance(canonical, dict) and "enum" in canonical:
        return flat(canonical["value"], path)
    parts = [(f"{path}.{key}" if path else key, part) for key, part in _parts(canonical)]
    flattened = [flat(part, where) for where, part in parts]
    if isinstance(canonical, list) and all(
        list(values) == [where] for values, (where, _) in zip(flattened, parts, strict=True)
    ):  # plain values only
        return {path: ", ".join(str(value) for values in flattened for value in values.values())}
    return {where: value for values in flattened for where, value in values.items()}


def _parts(canonical: dict[str, object] | list[object]) -> Iterator[tuple[str, object]]:
    if isinstance(canonical, list):
        for i, element in enumerate(canonical):
            yield _name(element) or str(i), element
    elif isinstance(fields := canonical.get("fields"), dict):
        yield from fields.items()
    elif isinstance(pairs := canonical.get("map"), list):
        yield from pairs


def _name(element: object) -> str:
    fields = element.get("fields") if isinstance(element, dict) else None
    return str(fields.get("name") or "") if isinstance(fields, dict) else ""
