"""Columns that identify rows or groups of rows, such as the patient of a measurement.

A model must not read them: it would learn the answers of known patients by heart. All rows of a
group belong in one split, or the evaluation rewards that.
"""

from __future__ import annotations

import re
from typing import Literal

from components.data.lazy import pa, pc
from components.inputs.strings import looks_like

Identifies = Literal["rows", "groups", "things"]
FEWEST_GROUPS = 3

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|#")
_ID = frozenset({"id", "ids", "uuid", "guid", "key", "#"})
_NUMBER = frozenset({"no", "nr", "num", "number", "code"})
_SURELY_WHO = frozenset(
    {"subject", "patient", "participant", "respondent", "user", "customer", "client", "donor"}
)
_WHO = _SURELY_WHO | {
    *("subj", "pat", "person", "cust", "member", "household", "family", "employee", "worker"),
    *("student", "pupil", "child", "animal", "mouse", "rat", "speaker", "author", "rater"),
    *("account", "session", "visitor", "visit", "encounter", "admission", "case", "driver"),
    *("device", "machine", "group"),
}
_THINGS = frozenset(
    {
        *("store", "shop", "product", "item", "sku", "category", "brand", "make", "model", "color"),
        *("country", "region", "state", "province", "county", "city", "town", "zip", "postal"),
        *("location", "loc", "area", "zone", "airport", "airline", "carrier", "route", "station"),
        *("type", "class", "genre", "status", "level", "sector", "industry", "job", "language"),
        *("department", "dept", "hotel", "school", "site", "hospital", "clinic", "channel"),
        *("campaign", "vendor", "supplier", "currency", "movie", "book", "colour"),
        *("year", "month", "weekday", "day", "hour"),
    }
)
"""Their ids are categories: new rows are of known stores."""
_LIKE_ID = r"^[A-Za-z]{0,12}[ _.-]?[0-9][A-Za-z0-9_.-]*$"


def identifies(name: str, column: pa.ChunkedArray) -> Identifies | None:
    """What a column identifies, judged by its name and its values; None if it is a feature.

    "rows": each row has a value of its own. "groups": several rows share one. "things": categories,
    by numbers.
    """
    whole = _whole_numbers(column)
    if not whole and looks_like(column) != "words":
        return None
    values = column.drop_null()
    distinct = len(values.unique())
    if len(column) > 20 and distinct == len(column):
        named = bool(_words(name) & _ID)
        return "rows" if named or not whole else None
    words = _words(name)
    if words & {"of", "per", "count", "n", "age", "size"} or not words & (_ID | _NUMBER | _WHO):
        return None
    if _how_many(name):
        return None
    if words & _THINGS and not words & _WHO:
        return "things" if words & (_ID | _NUMBER) else None
    marked = words & _ID or (words & _NUMBER and words & _WHO)
    alone = words <= _SURELY_WHO and (whole or _like_ids(values))
    enough = distinct >= (FEWEST_GROUPS if words & _WHO else 20)
    return "groups" if enough and (marked or alone) else None


def _how_many(name: str) -> bool:
    """Whether a name counts something, as `number_customer_service_calls` does, unlike
    `customer_number` and `num_patient`.
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    counts, ends = _NUMBER - {"code"}, _WHO | _THINGS | _ID
    return len(words) > 1 and words[0] in counts and words[-1] not in ends


def _whole_numbers(column: pa.ChunkedArray) -> bool:
    if pa.types.is_floating(column.type):
        return bool(pc.all(pc.equal(pc.floor(column), column)).as_py())
    return bool(pa.types.is_integer(column.type))


def _words(name: str) -> set[str]:
    """The words of a name in lower case: `subjectID` and `subject_id` have the same two."""
    words = {word.lower() for word in _WORDS.findall(name)}
    joined = {w for w in words if w.endswith("id") and (w[:-2] in _WHO or len(w) == 3)} - {"aid"}
    return words - joined | {"id"} | {w[:-2] for w in joined} if joined else words


def _like_ids(values: pa.ChunkedArray) -> bool:
    return bool(pc.mean(pc.match_substring_regex(values, _LIKE_ID)).as_py() > 0.9)
