"""The contract of decoders: every causal backbone of KerasHub is a trunk for classifiers.

New backbones of KerasHub are found by themselves and need a small configuration here.
"""

from __future__ import annotations

from typing import Any

import keras_hub
import numpy as np
import pytest

from models.inputs.tokens import TokensFeature
from models.lazy import keras, tf
from models.transfer.lora import Lora
from models.trunks.base import TrunkError, layer_groups
from models.trunks.sources.text_backbone import stored_as, text_model

pytestmark = [
    pytest.mark.slow,
    # Eager calls with a text of one token, which a traced model does not show.
    pytest.mark.filterwarnings("ignore:You are using a softmax over axis"),
]

BLOCKS = 2
GROUPED: dict[str, Any] = {
    "vocabulary_size": 12,
    "num_layers": BLOCKS,
    "num_query_heads": 4,
    "num_key_value_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 24,
}
PLAIN: dict[str, Any] = {
    "vocabulary_size": 12,
    "num_layers": BLOCKS,
    "num_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 24,
    "max_sequence_length": 8,
}
GEMMA = GROUPED | {"head_dim": 8}
QWEN_LINEAR: dict[str, Any] = {
    "head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}
SMALL: dict[str, dict[str, Any]] = {
    "BloomBackbone": {k: v for k, v in PLAIN.items() if k != "max_sequence_length"},
    "FalconBackbone": {
        **{k: v for k, v in PLAIN.items() if k not in ("max_sequence_length", "num_heads")},
        "num_attention_heads": 2,
    },
    "GPT2Backbone": PLAIN,
    "GPTNeoXBackbone": PLAIN,
    "Gemma3Backbone": GEMMA | {"image_size": 8},
    "GptOssBackbone": GROUPED | {"num_experts": 2, "top_k": 1, "head_dim": 8},
    "GemmaBackbone": GEMMA,
    "Llama3Backbone": GROUPED,
    "LlamaBackbone": GROUPED,
    "MistralBackbone": GROUPED | {"sliding_window": 4},
    "MixtralBackbone": GROUPED | {"num_experts": 2, "top_k": 1},
    "OPTBackbone": PLAIN,
    "Phi3Backbone": GROUPED,
    "Qwen3Backbone": GROUPED | {"head_dim": 8},
    "Qwen3_5Backbone": GROUPED | QWEN_LINEAR,
    "Qwen3_5MoeBackbone": {k: v for k, v in GROUPED.items() if k != "intermediate_dim"}
    | QWEN_LINEAR
    | {"moe_intermediate_dim": 8, "shared_expert_intermediate_size": 8}
    | {"num_experts": 2, "top_k": 1},
    "QwenBackbone": GROUPED,
    "QwenMoeBackbone": GROUPED
    | {"moe_intermediate_dim": 8, "shared_expert_intermediate_dim": 8}
    | {"num_experts": 2, "top_k": 1},
    "Qwen3MoeBackbone": GROUPED
    | {"moe_intermediate_dim": 8, "head_dim": 8, "num_experts": 2, "top_k": 1},
    "SmolLM3Backbone": {
        **{k: v for k, v in GROUPED.items() if k != "num_query_heads"},
        "num_attention_heads": 4,
        "mlp_bias": False,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "rope_layer_enabled_list": [True] * BLOCKS,
        "layer_types": ["full_attention"] * BLOCKS,
        "layer_norm_epsilon": 1e-6,
        "max_position_embeddings": 8,
        "rope_theta": 1e4,
        "partial_rotary_factor": 1.0,
    },
}
OTHERS = {
    "BLIP2Backbone": "reads images",
    "Gemma4Backbone": "reads images",
    "Gemma3nBackbone": "reads images",
    "PARSeqBackbone": "reads images",
    "PaliGemmaBackbone": "reads images",
    "RWKV7Backbone": "its tokenizer runs in Python, which a served model cannot contain",
}
"""Causal backbones that are no trunks for text."""
FEATURE = TokensFeature(
    name="words",
    column="t",
    length=6,
    tokenizer="",
    config="",
    files=(),
    start=None,
    end=None,
    pad=0,
    vocabulary_size=12,
)
IDS = np.array(
    [[5, 3, 7, 2, 9, 4], [5, 3, 0, 0, 0, 0], [8, 0, 6, 0, 0, 0], [0] * 6], "int32"
)  # an inner 0 is a token


def causal_backbones() -> dict[str, type[Any]]:
    models = keras_hub.models
    found = [getattr(models, name) for name in dir(models) if name.endswith("CausalLM")]
    return {task.backbone_cls.__name__: task.backbone_cls for task in found if task.backbone_cls}


def make(name: str, **options: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    return causal_backbones()[name](**(SMALL[name] | options))


def test_every_causal_backbone_is_known() -> None:
    assert set(SMALL) <= set(causal_backbones())
    assert not set(causal_backbones()) - set(SMALL) - set(OTHERS)


@pytest.mark.parametrize("name", SMALL)
def test_a_decoder_is_a_trunk(name: str) -> None:
    backbone = make(name)
    states = np.asarray(
        backbone({"token_ids": IDS[:1], "padding_mask": np.ones((1, 6), "int32")}, training=False)
    )
    trunk = text_model(backbone, (FEATURE,), name, None, "mean")
    together = np.asarray(trunk({"words": IDS}, training=False))
    np.testing.assert_allclose(together[0], states[0, -1], atol=1e-5)  # the last token
    for row in range(len(IDS)):  # in any company
        alone = np.asarray(trunk({"words": IDS[row : row + 1]}, training=False))
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)
    assert not together[3].any()  # no text
    assert np.ptp(together[:3], axis=0).max() > 1e-4

    groups = layer_groups(trunk)
    assert sum(group.startswith("stage") for group in groups) == BLOCKS
    grouped = [id(w) for layers in groups.values() for la in layers for w in la.weights]
    assert sorted(grouped) == sorted(id(w) for w in trunk.weights)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(trunk({"words": IDS}, training=True) ** 2)
    gradients = tape.gradient(loss, trunk.trainable_variables)
    assert not [
        v.path for v, g in zip(trunk.trainable_variables, gradients, strict=True) if g is None
    ]
    mode = Lora(rank=2)
    before = trunk.count_params()
    assert mode.plan(trunk).added
    mode.finish(trunk)
    assert trunk.count_params() == before


@pytest.mark.parametrize("name", ["GPT2Backbone", "LlamaBackbone", "GemmaBackbone"])
def test_poolings_of_decoders(name: str) -> None:
    states = np.asarray(
        make(name)({"token_ids": IDS[1:2], "padding_mask": (IDS[1:2] > 0).astype("int32")})
    )[0, :2]
    for pooling in ("mean", "attention"):
        trunk = text_model(make(name), (FEATURE,), name, pooling, "mean")
        found = np.asarray(trunk({"words": IDS}, training=False))
        np.testing.assert_allclose(found[1], states.mean(0), atol=1e-5)
    assert list(layer_groups(trunk))[-1] == "pooling"
    with pytest.raises(TrunkError, match=r"says nothing of the text. Expected `pooling: last`"):
        text_model(make(name), (FEATURE,), name, "first", "mean")


@pytest.mark.parametrize("name", ["GPT2Backbone", "LlamaBackbone", "GemmaBackbone", "QwenBackbone"])
def test_weights_in_bfloat16_compute_in_float32(name: str) -> None:
    exact, stored = make(name), make(name, **stored_as("bfloat16"))
    assert {w.dtype for w in stored.weights if len(w.shape) > 1} == {"bfloat16"}
    exact.set_weights([np.asarray(w).astype("float32") for w in stored.weights])
    batch = {"words": IDS}
    models = [text_model(b, (FEATURE,), name, "mean", "mean") for b in (exact, stored)]
    first, second = (np.asarray(m(batch, training=False)) for m in models)
    assert second.dtype == np.float32
    np.testing.assert_allclose(first, second, atol=1e-5)
