"""Worker of `speed_peers.py`: PyTorch with the same networks, in an environment with torch and
torchvision (`smollm128`: transformers and peft), which does not need this project.

    python speed_peers_torch.py CASE eager|compile|product [bf16]     (product: one matrix product)

Its Adam is the fused one, images are channels-last, batches are gathered by shuffled indices.
"""

from __future__ import annotations

import itertools
import os
import sys

import torch
from speed_peers_cases import (
    ALPHA,
    CASES,
    HEADS,
    HIDDEN,
    INNER,
    KNOTS,
    LAYERS,
    MEMBERS,
    NUMBERS,
    POSITIONS,
    RANK,
    SIZES,
    SMOLLM,
    VOCABULARY,
    WIDTH,
    Case,
    serve,
)
from torch import Tensor, nn
from torch.nn import functional as F


class Convnet(nn.Module):
    """`models.trunks.encoders.residual_convnet`, and the joining layer of `scratch`."""

    def __init__(self, side: int) -> None:
        super().__init__()
        widths = (16, 32) if side < 32 else (32, 64, 128)
        channels = 1 if side < 32 else 3
        self.stem = _conv(channels, widths[0], 2 if side >= 64 else 1)
        self.side, self.norm = side, _norm(widths[0])
        stages = itertools.pairwise(widths)
        self.down = nn.ModuleList(_conv(i, o) for i, o in stages)
        self.norms = nn.ModuleList(map(_norm, widths[1:]))
        self.convs = nn.ModuleList(_conv(w, w) for w in widths[1:])
        self.branch_norms = nn.ModuleList(map(_norm, widths[1:]))
        self.join = nn.Linear(widths[-1], 128)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x / 127.5 - 1.0)
        if x.shape[-1] > 16:
            x = F.max_pool2d(x, 2)
        while x.shape[-1] > 28:
            x = F.max_pool2d(x, 2)
        x = F.relu(self.norm(x))
        parts = zip(self.down, self.norms, self.convs, self.branch_norms, strict=True)
        for down, norm, conv, branch_norm in parts:
            x = down(x)
            x = F.max_pool2d(x, 2) if x.shape[-1] > 4 else x
            x = F.relu(norm(x))
            x = x + F.relu(branch_norm(conv(x)))
        return F.dropout(F.relu(self.join(x.mean((2, 3)))), 0.1)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)


def _norm(width: int) -> nn.Module:
    return nn.BatchNorm2d(width, eps=1e-3, momentum=0.1)


class MobileNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import mobilenet_v2

        self.net = mobilenet_v2(weights=None).features

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x / 127.5 - 1.0).mean((2, 3))


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(HIDDEN, 3 * HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        self.norm1, self.norm2 = nn.LayerNorm(HIDDEN, 1e-12), nn.LayerNorm(HIDDEN, 1e-12)
        self.up, self.down = nn.Linear(HIDDEN, INNER), nn.Linear(INNER, HIDDEN)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        b, t, _ = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, HEADS, HIDDEN // HEADS).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, mask, dropout_p=0.1)
        attended = attended.transpose(1, 2).reshape(b, t, HIDDEN)
        x = self.norm1(x + F.dropout(self.out(attended), 0.1))
        return self.norm2(x + F.dropout(self.down(F.gelu(self.up(x))), 0.1))


class MiniLm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = (
            nn.Embedding(VOCABULARY, HIDDEN),
            nn.Embedding(POSITIONS, HIDDEN),
        )
        self.segments, self.norm = nn.Embedding(2, HIDDEN), nn.LayerNorm(HIDDEN, 1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, ids: Tensor) -> Tensor:
        mask = ids != 0
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]] + self.segments.weight[0]
        x = F.dropout(self.norm(x), 0.1)
        for layer in self.layers:
            x = layer(x, mask[:, None, None, :])
        weights = mask[:, :, None].to(x.dtype)
        return (x * weights).sum(1) / weights.sum(1)


class SmolLm(nn.Module):
    """The Llama of transformers with the LoRA of peft, read at the last token."""

    def __init__(self) -> None:
        super().__init__()
        from peft import LoraConfig, get_peft_model
        from transformers import LlamaConfig, LlamaModel

        shape = LlamaConfig(
            vocab_size=SMOLLM["vocabulary_size"],
            num_hidden_layers=SMOLLM["num_layers"],
            num_attention_heads=SMOLLM["num_query_heads"],
            num_key_value_heads=SMOLLM["num_key_value_heads"],
            hidden_size=SMOLLM["hidden_dim"],
            intermediate_size=SMOLLM["intermediate_dim"],
            tie_word_embeddings=True,
            rms_norm_eps=1e-5,
            use_cache=False,
        )
        lora = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["q_proj", "v_proj"])
        self.net = get_peft_model(LlamaModel(shape), lora)

    def forward(self, ids: Tensor) -> Tensor:
        mask = (ids != 0).long()
        states = self.net(input_ids=ids, attention_mask=mask).last_hidden_state
        return states[torch.arange(len(ids)), mask.sum(1) - 1]


class MemberDense(nn.Module):
    """`models.trunks.layers.members.member_dense`, on [rows, members, width]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.before = nn.Parameter(torch.sign(torch.randn(MEMBERS, inputs)))
        self.dense = nn.Linear(inputs, outputs, bias=False)
        self.after = nn.Parameter(torch.ones(MEMBERS, outputs))
        self.bias = nn.Parameter(torch.zeros(MEMBERS, outputs))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.dense(x * self.before) * self.after + self.bias)
        return F.dropout(x, 0.1)


class Table(nn.Module):
    """Embeddings of categories, piecewise-linear numbers, and layers that members share."""

    def __init__(self) -> None:
        super().__init__()
        widths = [min(WIDTH, (size + 1) // 2) for size in SIZES.values()]
        pairs = zip(SIZES.values(), widths, strict=True)
        self.embeddings = nn.ModuleList(nn.Embedding(size, width) for size, width in pairs)
        knots = torch.linspace(-2, 2, KNOTS)
        self.register_buffer("starts", knots[:-1])
        self.width = float(knots[1] - knots[0])
        self.kernel = nn.Parameter(torch.randn(NUMBERS, KNOTS - 1, WIDTH) / 7)
        self.bias = nn.Parameter(torch.zeros(NUMBERS, WIDTH))
        self.nearest = nn.Embedding(NUMBERS * (KNOTS + 1), WIDTH)
        self.register_buffer("offsets", torch.arange(NUMBERS) * (KNOTS + 1))
        inputs = sum(widths) + NUMBERS * (1 + 2 * WIDTH)
        self.first, self.second = MemberDense(inputs, 128), MemberDense(128, 128)

    def forward(self, numbers: Tensor, ids: Tensor) -> Tensor:
        missing = numbers.isnan()
        n = torch.where(missing, torch.zeros_like(numbers), numbers)[:, :, None]
        parts = ((n - self.starts) / self.width).clamp(0, 1)
        linear = F.relu(torch.einsum("bct,ctw->bcw", parts, self.kernel) + self.bias)
        near = 1 + (n >= self.starts + 0.499 * self.width).sum(-1)
        vectors = self.nearest(torch.where(missing, torch.zeros_like(near), near) + self.offsets)
        encoded = torch.cat([n, linear, vectors], -1).flatten(1)
        columns = [embed(ids[:, i]) for i, embed in enumerate(self.embeddings)]
        x = torch.cat([*columns, encoded], 1)[:, None, :]
        return self.second(self.first(x))


class Dense(nn.Module):
    """Four layers of 512."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(i, 512) for i in (64, 512, 512, 512))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = F.dropout(F.relu(layer(x)), 0.1)
        return x


class Net(nn.Module):
    """Trunk and heads; members have a loss each."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        width = 128
        if case.name == "mobilenet96":
            self.trunk, width = MobileNet(), 1280
        elif case.side:
            self.trunk = Convnet(case.side)
        elif case.lora:
            self.trunk, width = SmolLm(), SMOLLM["hidden_dim"]
        elif case.length:
            self.trunk, width = MiniLm(), HIDDEN
        elif case.name == "table":
            self.trunk = Table()
        else:
            self.trunk, width = Dense(), 512
        self.heads = nn.ModuleList(nn.Linear(width, 1) for _ in range(case.tasks))

    def forward(self, *features: Tensor) -> Tensor:
        x = self.trunk(*features)
        return torch.cat([head(x) for head in self.heads], -1)


def tensors(case: Case) -> list[Tensor]:
    columns = {name: torch.from_numpy(values) for name, values in case.columns().items()}
    if case.side:
        image = columns["image"].permute(0, 3, 1, 2)
        return [image.contiguous(memory_format=torch.channels_last)]
    if case.length:
        return [columns["text"].long()]
    numbers = torch.stack([x for x in columns.values() if x.is_floating_point()], 1)
    ids = [x.long() for x in columns.values() if not x.is_floating_point()]
    return [numbers, torch.stack(ids, 1)] if ids else [numbers]


def training(case: Case, compiled: bool, half: bool) -> None:
    """A pass over the rows."""
    net = Net(case)
    if case.side:
        net = net.to(memory_format=torch.channels_last)
    for module in net.modules() if case.fine_tuned else ():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    run = torch.compile(net) if compiled else net
    optimizer = torch.optim.Adam((p for p in net.parameters() if p.requires_grad), 1e-3, fused=True)
    features, labels = tensors(case), torch.from_numpy(case.labels())

    def work() -> None:
        order = torch.randperm(case.rows)
        for start in range(0, case.rows, case.batch):
            rows = order[start : start + case.batch]
            x, y = [f[rows] for f in features], labels[rows]
            x[0] = x[0].float() if case.side else x[0]
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                outputs = run(*x)
            outputs = outputs.float()
            y = y[:, None, :].expand_as(outputs) if outputs.dim() == 3 else y
            F.binary_cross_entropy_with_logits(outputs, y).backward()
            optimizer.step()

    serve(work, case.rows)


def product(dtype: torch.dtype) -> None:
    """A product of two matrices of 2048, the most that these cores compute in this type."""
    a, b = (torch.randn(2048, 2048).to(dtype) for _ in range(2))
    serve(lambda: torch.mm(a, b), 1, flops=2 * 2048**3)


def main() -> None:
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    half = "bf16" in sys.argv
    if sys.argv[2] == "product":
        product(torch.bfloat16 if half else torch.float32)
    else:
        training(CASES[sys.argv[1]], sys.argv[2] == "compile", half)


if __name__ == "__main__":
    main()
