"""Names and numbers that TF Serving's interface fixes: signatures, services, states, metrics."""

from __future__ import annotations

from enum import IntEnum

DEFAULT_SIGNATURE = "serving_default"
DETAILED = "detailed"
"""The signature of our models that answers more than `DEFAULT_SIGNATURE`, where there is more."""
TO_FEATURES, FROM_FEATURES = "to_features", "from_features"
"""The signatures of our models that prepare raw inputs (pixels, tokens, ids), and that answer from
what is prepared, as `DETAILED` does.
"""
UNCALIBRATED = ".uncalibrated"
"""After the name of a calibrated task: the output `detailed` with its probabilities before that."""
CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"

METRICS_PATH = "/monitoring/prometheus/metrics"
REQUEST_COUNT = ":tensorflow:serving:request_count"
REQUEST_LATENCY = ":tensorflow:serving:request_latency"


class State(IntEnum):
    """The states of a version; the values are those of `ModelVersionStatus.State`."""

    UNKNOWN = 0
    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50
