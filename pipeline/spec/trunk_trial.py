"""Builds the trunk of a spec before any stage runs, so that errors come early."""

from __future__ import annotations

import contextlib
import io

from components.errors import RootstockError
from components.transform.fit_features import features_without_data
from models.inputs.base import Input
from models.trunks.base import Trunk, TrunkError
from pipeline.spec.sections import Spec
from pipeline.spec.trunk_lookup import with_trunk_looked_up


def try_trunk(spec: Spec) -> str:
    """Build the trunks of a spec that is valid otherwise: what was done, as a sentence for each.

    It is empty for trunks that are trained from scratch. Imports TensorFlow for all others.

    Raises:
        RootstockError: the trunk cannot be built.
    """
    done = [_tried(*part) for part in with_trunk_looked_up(spec).read_by_trunks()]
    return " ".join(filter(None, done))


def _tried(key: str, trunk: Trunk, inputs: tuple[Input, ...]) -> str:
    what = "The trunk" if key == "model.trunk" else key
    if not trunk.is_here():
        return f"{what} was not built: its files would have to be downloaded first."
    if not trunk.pretrained and not trunk.files():
        return ""
    features = features_without_data(inputs, trunk.reading())
    if features is None:
        return f"{what} was not built: it depends on the data."
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # progress bars of libraries
            model = trunk.build(features)
    except TrunkError as e:
        raise RootstockError(f"{key}: {e}") from e
    return f"{what} was built: {model.count_params():,} parameters."
