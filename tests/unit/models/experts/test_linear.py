import numpy as np
import tensorflow as tf

from models.experts.base import ExpertInputs
from models.experts.linear import Linear


def arrays_of(**arrays):
    floats = {k: tf.constant(v, tf.float32) for k, v in arrays.items()}
    whole = ("source", "first", "last")
    return {k: tf.constant(arrays[k], tf.int32) if k in whole else v for k, v in floats.items()}


def test_margins_of_columns_by_hand():
    expert = Linear(name="e", numbers=("a",), missing=("a",), categories=("c", "d"))
    arrays = arrays_of(
        mean=[1.0],
        scale=[2.0],
        source=[0, 0],
        low=[0.0, 2],
        high=[2.0, 4],
        kernel=[[10.0], [100], [1000], [7]],
        bias=[0.5],
        table=[[0.0], [1], [2], [3], [4], [5]],
        first=[0, 3],
        last=[2, 5],
    )
    a = tf.constant([3.0, np.nan, 5])
    ids = {"c": tf.constant([0, 2, 9]), "d": tf.constant([1, 0, 2])}
    margins = expert.margins(arrays, ExpertInputs(raw={"a": a}, features={"a": a, **ids}))
    # number / 2 pieces of it / missing / ids / bias; a missing number is 0
    expected = [
        10 + 100 + 500 + 0 + (0 + 4) + 0.5,
        -5 + 0 + 0 + 7 + (2 + 3) + 0.5,
        20 + 100 + 1000 + 0 + (2 + 5) + 0.5,
    ]
    np.testing.assert_allclose(margins[:, 0], expected)
    assert not expert.reads_representation


def test_margins_of_a_representation_by_hand():
    expert = Linear(name="e", representation=True)
    arrays = arrays_of(
        mean=[1.0, 0], scale=[2.0, 1], source=[], low=[], high=[], kernel=np.eye(2), bias=[0.0, 1]
    )
    inputs = ExpertInputs(raw={}, features={}, representation=tf.constant([[3.0, 4.0]]))
    np.testing.assert_allclose(expert.margins(arrays, inputs), [[1, 5]])
    assert expert.reads_representation
