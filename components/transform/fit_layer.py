"""The state of layers of the user's own, from the rows of the training split."""

from __future__ import annotations

from collections.abc import Iterator

from components.artifacts import Examples
from components.data.arrow import np
from components.data.raw import raw_inputs
from components.errors import RootstockError
from models.inputs.features import LayerFeature
from models.inputs.spec import LayerInput

BATCH_ROWS = 1024


def layer_state(given: LayerInput, examples: Examples) -> LayerFeature:
    """The feature of an input with a layer, which is adapted to the training split if it can be.

    Raises:
        RootstockError: its module or its layer cannot be used.
    """
    from models.inputs.custom_layer import LayerError, layer_feature

    def values() -> Iterator[np.ndarray]:
        import pyarrow.parquet as pq

        for file in examples.shards("train"):
            with pq.ParquetFile(file) as shard:
                for batch in shard.iter_batches(BATCH_ROWS, columns=[given.column]):
                    found = raw_inputs(batch, [given])[given.name]
                    yield found[found == found if given.reads == "number" else found != ""]

    try:
        return layer_feature(given, values)
    except (LayerError, OSError) as e:
        raise RootstockError(f"inputs.{given.name}: {e}") from e
