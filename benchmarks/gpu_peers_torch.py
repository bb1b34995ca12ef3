"""Worker of `gpu_peers.py`: PyTorch with the same networks.

The first argument after the time is `eager` or `compile`. `compile` uses CUDA graphs
(`reduce-overhead`) on a GPU.

The gradient of a task at the representation is that of its logits times the weights of its head,
for all tasks at once. The weights of tasks are solved for on the CPU with NumPy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from gpu_peers_cases import Work, Worker
from gpu_peers_weights import WEIGHTS
from speed_peers_torch import Net, tensors
from torch import Tensor, nn
from torch.nn import functional as F

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIDE = 8192 if DEVICE == "cuda" else 256
PRODUCT = "product"


def made(work: Work, compiled: bool) -> tuple[Callable[[int], float], dict[str, object]]:
    case = work.case
    torch.manual_seed(0)
    net = Net(case).to(DEVICE)
    if case.side:
        net = net.to(memory_format=torch.channels_last)
    for module in net.modules() if case.fine_tuned else ():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3, fused=True)
    balanced = work.balancing in WEIGHTS
    mode = "reduce-overhead" if DEVICE == "cuda" else None
    run = net.trunk if balanced else net
    run = torch.compile(run, mode=mode) if compiled else run
    features, labels = tensors(case), torch.from_numpy(case.labels())
    batches = []
    for start in range(0, case.rows, case.batch):
        rows = slice(start, start + case.batch)
        x = [f[rows].to(DEVICE) for f in features]
        batches.append((x, labels[rows].to(DEVICE)))

    def outputs(x: list[Tensor]) -> Tensor:
        with torch.autocast(DEVICE, torch.bfloat16, enabled=work.dtype == "bfloat16"):
            return run(*x)

    def plain(x: list[Tensor], y: Tensor) -> Tensor:
        loss = F.binary_cross_entropy_with_logits(outputs(x).float(), y)
        loss.backward()
        return loss

    def with_weights(x: list[Tensor], y: Tensor) -> Tensor:
        representation = outputs(x)
        point = representation.detach()
        with torch.autocast(DEVICE, torch.bfloat16, enabled=work.dtype == "bfloat16"):
            logits = torch.cat([head(point) for head in net.heads], -1).float()
        losses = F.binary_cross_entropy_with_logits(logits, y, reduction="none").mean(0)
        heads = list(net.heads.parameters())
        of_logits, *of_heads = torch.autograd.grad(losses.sum(), [logits, *heads])
        for parameter, gradient in zip(heads, of_heads, strict=True):
            parameter.grad = gradient
        kernels = torch.cat([head.weight for head in net.heads]).detach()
        rows = of_logits.T[:, :, None] * kernels[:, None, :]  # [tasks, batch, width]
        flat = rows.flatten(1)
        gramian = (flat @ flat.T).cpu().numpy()
        weights = torch.from_numpy(WEIGHTS[work.balancing](gramian)).float().to(DEVICE)
        combined = (weights @ flat).view_as(point).to(representation.dtype)
        representation.backward(combined)
        return losses.detach().sum()

    step = with_weights if balanced else plain

    def steps(count: int) -> float:
        for i in range(count):
            x, y = batches[i % len(batches)]
            if case.side:
                x = [x[0].float()]
            optimizer.zero_grad(set_to_none=True)
            if compiled:
                torch.compiler.cudagraph_mark_step_begin()
            objective = step(x, y)
            optimizer.step()
        last = objective.item()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        return last

    return steps, {"mode": mode} if compiled else {}


def product(dtype: torch.dtype) -> Callable[[int], float]:
    """A product of two large matrices, the most that the GPU computes in this type."""
    a, b = (torch.randn(SIDE, SIDE, device=DEVICE).to(dtype) for _ in range(2))

    def run(steps: int) -> float:
        for _ in range(steps):
            result = torch.mm(a, b)
        return float(result[0, 0])

    return run


def main() -> None:
    compiled = "compile" in sys.argv
    free = torch.cuda.empty_cache if DEVICE == "cuda" else lambda: None
    worker = Worker(compiled, free)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    card = torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"
    worker.say(about=card, torch=torch.__version__)
    if not compiled:
        for name in ("float32", "bfloat16"):
            worker.runs[f"{PRODUCT}/{name}"] = product(getattr(torch, name))
            worker.say(ready=f"{PRODUCT}/{name}", flops=2 * SIDE**3)
    for work in worker.in_time():
        worker.prepare(lambda w: made(w, compiled), work)
    worker.say(done=True)
    worker.serve()


if __name__ == "__main__":
    main()
