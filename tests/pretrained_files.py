"""Small pretrained files of every kind that a trunk can start from, made by the real libraries."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import keras_hub
import numpy as np
import sentencepiece
import tensorflow as tf

from models.balancing.loss_based.equal import Equal
from models.inputs.base import Feature
from models.inputs.image import ImageFeature
from models.inputs.raw_text import RawTextFeature
from models.inputs.sources.pretrained_tokens import tokens_feature
from models.multitask.build import build_model, save_weights
from models.multitask.record import ModelRecord, save_record
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.trunks.applications import Applications
from models.trunks.base import Trunk
from models.trunks.encoders.residual_convnet import ResidualConvnet
from models.trunks.gguf import Gguf
from models.trunks.keras_hub import KerasHub
from models.trunks.scratch import Scratch
from models.trunks.tf_hub import TfHub
from models.trunks.trained import Registry
from tests.gguf_files import llama_file
from tests.pretrained_words import GPT_VOCABULARY, WORDS

IMAGE = ImageFeature(name="photo", column="p", height=12, width=10, channels=3)
TEXT = RawTextFeature(name="words", column="t")
TEXTS = [
    "win a FREE prize now",
    "",
    "see you tonight, ok",
    "call me",
    "unheard ##of",
    "a a a a a a a",
]


@dataclass(frozen=True, eq=False)
class Sample:
    """A trunk with its features. files: its pretrained files."""

    trunk: Trunk
    features: tuple[Feature, ...]
    files: Path

    def raw(self) -> dict[str, np.ndarray]:
        """Preprocessed images, or texts, by feature name."""
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (len(TEXTS), IMAGE.height, IMAGE.width, 3), dtype=np.uint8)
        return {
            f.name: pixels if isinstance(f, ImageFeature) else np.array(TEXTS, object)
            for f in self.features
        }


def text_preset(directory: Path, layers: int = 2) -> None:
    """A small BERT with its WordPiece vocabulary."""
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=5 + len(WORDS),
        num_layers=layers,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=16,
    )
    backbone.save_to_preset(str(directory))
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokenizer = keras_hub.tokenizers.BertTokenizer(vocabulary=vocabulary, lowercase=True)
    tokenizer.save_to_preset(str(directory))


def decoder_preset(directory: Path) -> None:
    """A small GPT-2, whose padding is an ordinary token."""
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=len(GPT_VOCABULARY),
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=8,
        max_sequence_length=16,
    )
    backbone.save_to_preset(str(directory))
    keras_hub.tokenizers.GPT2Tokenizer(
        vocabulary=GPT_VOCABULARY, merges=["a b", "Ġ a", "Ġa b"]
    ).save_to_preset(str(directory))


def image_preset(directory: Path) -> None:
    """A residual network of two stages with its image converter."""
    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
    )
    backbone.save_to_preset(str(directory))
    converter = keras_hub.layers.ResNetImageConverter(
        image_size=(16, 16), scale=1 / 127.5, offset=-1.0
    )
    converter.save_to_preset(str(directory))


def _saved(
    directory: Path,
    function: tf.types.experimental.PolymorphicFunction,
    variables: list[tf.Variable],
    losses: list[tf.types.experimental.PolymorphicFunction] = [],  # noqa: B006 - read alone
) -> None:
    """A reusable SavedModel, as https://www.tensorflow.org/hub/reusable_saved_models says."""
    module = tf.train.Checkpoint()
    module.__call__ = function
    module.variables = variables
    module.trainable_variables = [v for v in variables if v.trainable]
    module.regularization_losses = losses
    tf.saved_model.save(module, str(directory))


def image_module(directory: Path, height: int | None = None, channels: int = 3) -> None:
    """Two layers with batch statistics, dropout and a regularisation loss."""
    rng = np.random.default_rng(1)
    kernel = tf.Variable(rng.normal(size=(channels, 6)), dtype=tf.float32, name="layer_0/kernel")
    mean = tf.Variable(tf.zeros(6), trainable=False, name="layer_0/moving_mean")
    last = tf.Variable(rng.normal(size=(6, 4)), dtype=tf.float32, name="layer_1/kernel")

    @tf.function
    def call(images: tf.Tensor, training: bool = False, rate: float = 0.0) -> tf.Tensor:
        x = tf.reduce_mean(images, [1, 2]) @ kernel
        if training:
            mean.assign(0.9 * mean + 0.1 * tf.reduce_mean(x, 0))
            x = tf.nn.dropout(x - tf.reduce_mean(x, 0), rate)
        else:
            x -= mean
        return tf.nn.tanh(x) @ last

    @tf.function
    def penalty() -> tf.Tensor:
        return 0.01 * tf.reduce_sum(kernel**2)

    spec = tf.TensorSpec([None, height, height, channels], tf.float32, "images")
    for training in (True, False):
        for rate in (0.0, 0.5):
            call.get_concrete_function(spec, training, rate)
    penalty.get_concrete_function()
    _saved(directory, call, [kernel, mean, last], [penalty])


def text_module(directory: Path) -> None:
    """Means of word embeddings, of strings; it knows no `training`."""
    table = np.random.default_rng(2).normal(size=(32, 5))
    embeddings = tf.Variable(table, dtype=tf.float32, name="embeddings")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def call(texts: tf.Tensor) -> tf.Tensor:
        ids = tf.strings.to_hash_bucket_fast(
            tf.strings.split(texts).to_tensor("", shape=(None, 8)), 32
        )
        return tf.reduce_mean(tf.gather(embeddings, ids), 1)

    _saved(directory, call, [embeddings])


def bert_modules(directory: Path) -> None:
    """An encoder of dicts, with several outputs, and the module that makes such dicts of texts."""
    keys = tf.constant(WORDS)
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(keys, tf.range(1, len(WORDS) + 1)), 0
    )
    preprocess = tf.train.Checkpoint()
    preprocess.table = table

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def tokenise(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        words = tf.strings.split(tf.strings.lower(texts)).to_tensor("", shape=(None, 8))
        ids = table.lookup(words)
        return {
            "input_word_ids": ids,
            "input_mask": tf.cast(words != "", tf.int32),
            "input_type_ids": tf.zeros_like(ids),
        }

    preprocess.__call__ = tokenise
    tf.saved_model.save(preprocess, str(directory / "preprocess"))

    rng = np.random.default_rng(3)
    embeddings = tf.Variable(
        rng.normal(size=(len(WORDS) + 1, 6)), dtype=tf.float32, name="word_embeddings"
    )
    kernel = tf.Variable(rng.normal(size=(6, 4)), dtype=tf.float32, name="layer_0/kernel")

    @tf.function
    def encode(inputs: dict[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor]:
        mask = tf.cast(inputs["input_mask"], tf.float32)[..., None]
        sequence = tf.nn.tanh(tf.gather(embeddings, inputs["input_word_ids"]) @ kernel) * mask
        return {"sequence_output": sequence, "pooled_output": tf.reduce_sum(sequence, 1)}

    ids = tf.TensorSpec([None, None], tf.int32)
    names = ("input_word_ids", "input_mask", "input_type_ids")
    for training in (True, False):
        encode.get_concrete_function(dict.fromkeys(names, ids), training)
    _saved(directory / "encoder", encode, [embeddings, kernel])


def tf1_module(directory: Path) -> None:
    """A module in TF1 Hub format."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [None, 4, 4, 3])
        kernel = v1.get_variable("kernel", [3, 5])
        features = tf.reduce_mean(images, [1, 2]) @ kernel
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.predict_signature_def({"images": images}, {"default": features})
        builder = v1.saved_model.Builder(str(directory))
        builder.add_meta_graph_and_variables(session, [], {"default": signature})
        builder.save()
    (directory / "tfhub_module.pb").write_bytes(b"\x08\x03")


def trained_model(directory: Path) -> None:
    """A multitask model of Rootstock on images."""
    record = ModelRecord(
        features=(IMAGE,),
        targets=(
            TaskTarget(
                task=BinaryTask(name="cat", label="c"),
                classes=("negative", "positive"),
                class_counts=(2, 2),
                labelled=4,
            ),
        ),
        trunk=Scratch(width=8, image=ResidualConvnet(widths=(4, 8))),
        sharing=Hard(),
        balancing=Equal(),
    )
    directory.mkdir(parents=True)
    save_record(record, directory)
    save_weights(build_model(record), directory)


def _keras_hub_text(files: Path) -> Sample:
    text_preset(files, layers=1)
    trunk = KerasHub(preset=str(files), length=8)
    return Sample(trunk, (tokens_feature(trunk.reading(), "words", "t"),), files)


def sentence_piece(pieces: Sequence[str] = ()) -> bytes:
    """A small SentencePiece model. pieces: that it must have, such as special tokens."""
    model = io.BytesIO()
    own = ("<pad>", "<unk>", "<s>", "</s>")
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter([" ".join(WORDS)] * 20),
        model_writer=model,
        vocab_size=60 + len(pieces),
        hard_vocab_limit=False,
        pad_id=0,
        pad_piece=own[0],
        unk_id=1,
        bos_id=2,
        eos_id=3,
        user_defined_symbols=[p for p in pieces if p not in own],
        minloglevel=2,
    )
    return model.getvalue()


def _keras_hub_sentence_piece(files: Path) -> Sample:
    tokenizer = keras_hub.tokenizers.XLMRobertaTokenizer(proto=sentence_piece())
    keras_hub.models.XLMRobertaBackbone(
        vocabulary_size=tokenizer.vocabulary_size(),
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=16,
    ).save_to_preset(str(files))
    tokenizer.save_to_preset(str(files))
    trunk = KerasHub(preset=str(files), length=8)
    return Sample(trunk, (tokens_feature(trunk.reading(), "words", "t"),), files)


def _gguf(files: Path) -> Sample:
    files.mkdir()
    llama_file(files / "small.gguf")
    trunk = Gguf(file=str(files / "small.gguf"), length=8)
    return Sample(trunk, (tokens_feature(trunk.reading(), "words", "t"),), files)  # type: ignore[arg-type]


def _keras_hub_image(files: Path) -> Sample:
    image_preset(files)
    return Sample(KerasHub(preset=str(files)), (IMAGE,), files)


def _applications(files: Path) -> Sample:
    files.mkdir()
    weights = files / "mobilenet.weights.h5"
    keras.applications.MobileNet(
        input_shape=(32, 32, 3), alpha=0.25, include_top=False, weights=None
    ).save_weights(weights)
    trunk = Applications(model="MobileNet", alpha=0.25, weights=str(weights), side=32)
    return Sample(trunk, (IMAGE,), files)


def _tf_hub_image(files: Path) -> Sample:
    image_module(files)
    return Sample(TfHub(handle=str(files)), (IMAGE,), files)


def _tf_hub_text(files: Path) -> Sample:
    text_module(files)
    return Sample(TfHub(handle=str(files)), (TEXT,), files)


def _tf_hub_bert(files: Path) -> Sample:
    bert_modules(files)
    trunk = TfHub(handle=str(files / "encoder"), preprocess=str(files / "preprocess"))
    return Sample(trunk, (TEXT,), files)


def _registry(files: Path) -> Sample:
    trained_model(files)
    return Sample(Registry(model=str(files)), (IMAGE,), files)


SAMPLES: dict[str, Callable[[Path], Sample]] = {
    "keras_hub text": _keras_hub_text,
    "keras_hub sentencepiece": _keras_hub_sentence_piece,
    "keras_hub image": _keras_hub_image,
    "gguf": _gguf,
    "applications": _applications,
    "tf_hub image": _tf_hub_image,
    "tf_hub text": _tf_hub_text,
    "tf_hub bert": _tf_hub_bert,
    "registry": _registry,
}
"""Samples by the name of the source, and by what they read if a source has several."""
