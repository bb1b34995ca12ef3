"""Arrow, NumPy, pandas and SciPy, imported when first used: reading a spec does not wait."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as arrow_csv
    import pyarrow.json as arrow_json
    import pyarrow.parquet as pq
    from numpy.typing import NDArray
    from scipy import stats

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]
else:

    class _Lazy:
        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, attribute: str) -> Any:
            return getattr(importlib.import_module(self._name), attribute)

    np = _Lazy("numpy")
    pd = _Lazy("pandas")
    pa = _Lazy("pyarrow")
    pc = _Lazy("pyarrow.compute")
    arrow_csv = _Lazy("pyarrow.csv")
    arrow_json = _Lazy("pyarrow.json")
    pq = _Lazy("pyarrow.parquet")
    stats = _Lazy("scipy.stats")
    Floats, Mask = "NDArray[np.float64]", "NDArray[np.bool_]"

__all__ = ["Floats", "Mask", "arrow_csv", "arrow_json", "np", "pa", "pc", "pd", "pq", "stats"]
