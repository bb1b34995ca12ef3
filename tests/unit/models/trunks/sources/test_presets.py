"""What a preset says by its files: positions, number of weights, what KerasHub leaves out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from models.inputs.text import TextInput
from models.trunks.base import TrunkError
from models.trunks.keras_hub import KerasHub
from models.trunks.sources.presets import num_weights, positions, unconverted

CONFIG = {
    "model_type": "llama",
    "vocab_size": 7,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "hidden_size": 4,
    "intermediate_size": 6,
    "rope_theta": 1e4,
    "rms_norm_eps": 0.25,
    "max_position_embeddings": 10,
    "tie_word_embeddings": True,
}
BLOCK = {
    "input_layernorm": (4,),
    "post_attention_layernorm": (4,),
    "self_attn.q_proj": (4, 4),
    "self_attn.k_proj": (2, 4),
    "self_attn.v_proj": (2, 4),
    "self_attn.o_proj": (4, 4),
    "mlp.gate_proj": (6, 4),
    "mlp.up_proj": (6, 4),
    "mlp.down_proj": (4, 6),
}


def llama(directory: Path, **config: object) -> dict[str, np.ndarray]:
    """A Llama in Hugging Face's format, without its tokenizer."""
    shapes = {f"model.layers.0.{name}.weight": shape for name, shape in BLOCK.items()}
    shapes |= {"model.embed_tokens.weight": (7, 4), "model.norm.weight": (4,)}
    tensors = {n: np.ones(s, "float32") for n, s in shapes.items()}
    save_file(tensors, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(CONFIG | config))
    return tensors


def test_files_say_how_large_a_model_is(tmp_path: Path) -> None:
    tensors = llama(tmp_path)
    assert num_weights(tmp_path) == sum(t.size for t in tensors.values())
    assert positions(tmp_path) == 10
    assert unconverted(tmp_path) == {"layer_norm_epsilon": 0.25}
    llama(tmp_path, model_type="qwen2")
    assert unconverted(tmp_path) == {}
    (tmp_path / "config.json").write_text("no JSON")
    assert positions(tmp_path) is None
    (tmp_path / "model.safetensors").write_bytes(b"\1\0\0\0\0\0\0\0?")
    assert num_weights(tmp_path) == 0


def test_more_memory_than_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    llama(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    trunk, words = KerasHub(preset=str(tmp_path), length=8), (TextInput(name="w", column="w"),)
    assert trunk.check(words) == []
    monkeypatch.setattr("models.trunks.sources.memory.free_memory", lambda: 2**20)
    (problem,) = trunk.check(words)
    assert problem.startswith(
        f"preset {str(tmp_path)!r}: its 160 weights in float32 need about 1.0"
    )


@pytest.mark.slow
def test_a_llama_has_its_own_epsilon_and_all_its_weights(tmp_path: Path) -> None:
    tensors = llama(tmp_path)
    trunk = KerasHub(preset=str(tmp_path))
    assert trunk._backbone().layer_norm.epsilon == pytest.approx(0.25)
    del tensors["model.norm.weight"]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(TrunkError, match=r"cannot be loaded: .*model.norm.weight[^~]*all weights"):
        trunk._backbone()
