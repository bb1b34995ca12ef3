"""Examples as MLflow data sets: name, digest, location, columns and counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from components.artifacts import Examples
from pipeline.tracking.events import Output

CONSUMED: Mapping[str, str] = {"Trainer": "training", "Evaluator": "evaluation"}
"""MLflow's word for what a stage uses examples for."""

DIGEST_LENGTH = 36
"""Characters of a data set's digest in MLflow's tables; tags hold our longer digest."""


def dataset_fields(
    name: str, output: Output, figures: Mapping[str, float | int | str]
) -> dict[str, str]:
    """The fields of an `mlflow.entities.Dataset`. figures: more counts for its profile."""
    import pyarrow.parquet as pq

    examples = Examples(Path(output.path), output.digest)
    splits = examples.splits()
    columns = []
    if splits:
        schema = pq.read_schema(examples.shards(splits[0])[0])
        columns = [{"name": f.name, "type": str(f.type), "required": False} for f in schema]
    rows = {split: examples.num_rows(split) for split in splits}
    return {
        "name": name,
        "digest": output.digest[:DIGEST_LENGTH],
        "source_type": "local",
        "source": json.dumps({"uri": examples.path.as_uri()}),
        "schema": json.dumps({"mlflow_colspec": columns}).replace("<", "\\u003c"),
        "profile": json.dumps({"num_rows": sum(rows.values()), **rows, **figures}),
    }
