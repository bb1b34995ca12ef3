"""A module of layers, as a user would write it next to a spec."""

LAYERS = '''\
import keras


class Bands(keras.layers.Layer):
    """One-hot bands of numbers; a missing number is in no band."""

    def __init__(self, edges, **kwargs):
        super().__init__(**kwargs)
        self.edges = edges

    def call(self, x):
        band = keras.ops.sum(keras.ops.cast(x >= self.edges, "int32"), axis=1)
        known = keras.ops.cast(keras.ops.logical_not(keras.ops.isnan(x)), "float32")
        return keras.ops.one_hot(band, len(self.edges) + 1) * known

    def get_config(self):
        return super().get_config() | {"edges": self.edges}


class Share(keras.layers.Layer):
    """A number as a share of the largest one in training."""

    def build(self, shape):
        self.largest = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def adapt(self, values):
        self.build(None)
        for batch in values:
            self.largest.assign(keras.ops.maximum(self.largest, keras.ops.max(batch)))

    def call(self, x):
        return keras.ops.where(keras.ops.isnan(x), 0.0, x) / self.largest


class Initial(keras.layers.Layer):
    """One-hot first letters that are frequent in training."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.letters = keras.layers.StringLookup(max_tokens=4)

    def build(self, shape):
        pass

    def adapt(self, values):
        import tensorflow as tf

        self.letters.adapt(values.map(lambda v: tf.strings.substr(v, 0, 1)))

    def call(self, x):
        import tensorflow as tf

        return keras.ops.one_hot(self.letters(tf.strings.substr(x[:, 0], 0, 1)), 4)


class Scaled(keras.layers.Normalization):
    """Keras's own layer."""


class Projected(keras.layers.Layer):
    """A layer without `adapt`, with random weights, random numbers and nested layers."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense, self.dropout = keras.layers.Dense(2), keras.layers.Dropout(0.5)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.dropout(self.dense(keras.ops.where(keras.ops.isnan(x), 0.0, x)))


class Forgetful(keras.layers.Layer):
    """A layer whose `get_config` loses its arguments."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {"name": self.name}


class Sequence(keras.layers.Layer):
    def call(self, x):
        return keras.ops.ones((keras.ops.shape(x)[0], 2, 3))


class Broken(keras.layers.Layer):
    def call(self, x):
        raise KeyError("no such thing")


class NotALayer:
    pass
'''
