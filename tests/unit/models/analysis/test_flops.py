"""FLOPs compared with those counted by hand and by the authors of MobileNetV2."""

from __future__ import annotations

import pytest

from models.analysis.flops import flops_per_example
from models.balancing.loss_based.equal import Equal
from models.inputs.categorical import CategoricalFeature
from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature
from models.inputs.raw_text import RawTextFeature
from models.inputs.text import TextFeature
from models.lazy import keras
from models.multitask.model import MultitaskModel
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.trunks.applications import Applications
from models.trunks.encoders.text_encoder import TextEncoder
from models.trunks.scratch import Scratch

TARGETS = (
    TaskTarget(task=BinaryTask(name="a", label="a"), classes=("negative", "positive")),
    TaskTarget(task=MulticlassTask(name="b", label="b"), classes=("x", "y", "z")),
)
COLUMNS = (
    NumericFeature(name="n", column="n", mean=0.0, deviation=1.0),
    NumericFeature(name="k", column="k", mean=0.0, deviation=1.0, boundaries=(0.0, 1.0)),
    CategoricalFeature(name="c", column="c", vocabulary=("u", "v")),
)


def test_columns_by_hand() -> None:
    model = MultitaskModel(COLUMNS, TARGETS, Scratch(), Hard(), Equal())
    kernels = [la.kernel for la in model._flatten_layers() if isinstance(la, keras.layers.Dense)]
    by_hand = 2 * sum(int(k.shape[0]) * int(k.shape[1]) for k in kernels) * model.members
    assert len(kernels) >= 4
    assert flops_per_example(model, COLUMNS) == by_hand


@pytest.mark.slow
def test_images_as_published() -> None:
    """M. Sandler et al., MobileNetV2 (2018), table 4: 300 million multiply-adds, with the last
    layer of 1280 x 1000, which a trunk lacks.
    """
    features = (ImageFeature(name="i", column="i", height=224, width=224, channels=3),)
    trunk = Applications(model="MobileNetV2", pretrained=False)
    model = MultitaskModel(features, TARGETS, trunk, Hard(), Equal())
    found = flops_per_example(model, features)
    assert found == pytest.approx(2 * (300e6 - 1.28e6), rel=0.01)


def test_text_at_its_full_length() -> None:
    words = tuple(f"w{i}" for i in range(20))
    counts = []
    for length in (8, 16):
        features = (TextFeature(name="t", column="t", length=length, vocabulary=words),)
        trunk = Scratch(text=TextEncoder(filters=16))
        model = MultitaskModel(features, TARGETS, trunk, Hard(), Equal())
        counts.append(flops_per_example(model, features))
    assert counts[0]
    assert counts[1] is not None
    assert counts[0] < counts[1] < 2.5 * counts[0]


def test_unknown_where_the_trunk_reads_text_itself() -> None:
    model = MultitaskModel(COLUMNS, TARGETS, Scratch(), Hard(), Equal())
    assert flops_per_example(model, (RawTextFeature(name="t", column="t"),)) is None
