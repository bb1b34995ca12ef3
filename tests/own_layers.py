"""A module of layers, as a user would write one beside a spec."""

LAYERS = '''\
import keras


class Bands(keras.layers.Layer):
    """One-hot bands of numbers; a missing one is in none."""

    def __init__(self, edges, **kwargs):
        super().__init__(**kwargs)
        self.edges = edges

    def call(self, x):
        band = keras.ops.searchsorted(keras.ops.convert_to_tensor(self.edges, "float32"), x)
        known = keras.ops.cast(keras.ops.logical_not(keras.ops.isnan(x)), "float32")
        return keras.ops.one_hot(band, len(self.edges) + 1) * known[:, None]

    def get_config(self):
        return super().get_config() | {"edges": self.edges}


class Share(keras.layers.Layer):
    """A number as a share of the largest one in training."""

    def build(self, shape):
        self.largest = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def adapt(self, values):
        self.build(None)
        for batch in values:
            known = keras.ops.where(keras.ops.isnan(batch), 0.0, batch)
            self.largest.assign(keras.ops.maximum(self.largest, keras.ops.max(known)))

    def call(self, x):
        return x / self.largest


class Initial(keras.layers.Layer):
    """How often words began with the first letter of this one in training, as one-hot ids."""

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

        return keras.ops.one_hot(self.letters(tf.strings.substr(x, 0, 1)), 4)


class Sequence(keras.layers.Layer):
    def call(self, x):
        return keras.ops.ones((keras.ops.shape(x)[0], 2, 3))


class Broken(keras.layers.Layer):
    def call(self, x):
        raise KeyError("no such thing")


class NotALayer:
    pass
'''
