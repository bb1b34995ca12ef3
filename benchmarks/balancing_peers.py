"""Time of a step with the methods of LibMTL and TorchJD, relative to plain sums in PyTorch.

    PYTHON benchmarks/balancing_peers.py TASKS ROUNDS STEPS THREADS [METHODS]

`balancing.py` runs this. It needs torch, torchjd and, for its own rows, LibMTL, and nothing of
Rootstock. The network, batches, optimizer and clock are those of `balancing.py`. Methods have the
default parameters of their libraries; LibMTL is in the middle of its epochs, after its warm-up.

TorchJD is measured in three ways: at the shared representation (one gradient per task there, then
one backward pass through the trunk); at the parameters from the Jacobian (`autojac`); and at the
parameters from inner products (`autogram`), for methods that need no more. Prints one line of JSON:
ratios by `<library>/<our name of the method>` (medians over rounds), and `plain_ms`.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torchjd import aggregation
from torchjd.autogram import Engine
from torchjd.autojac import jac_to_grad, mtl_backward

try:
    from LibMTL import weighting as libmtl
    from LibMTL.architecture import HPS
except ImportError as error:  # PyPI's LibMTL does not run with a current torchvision
    print(f"LibMTL is not measured: {error}", file=sys.stderr)
    libmtl, HPS = None, object

INPUTS, BATCH, WIDTH, OUT = 64, 256, 512, 128
PLAIN = "torch/plain"
LIBMTL = {
    "uncertainty": ("UW", {}),
    "dwa": ("DWA", {"T": 2.0}),
    "gls": ("GLS", {}),
    "rlw": ("RLW", {}),
    "mgda": ("MGDA", {"mgda_gn": "none"}),
    "pcgrad": ("PCGrad", {}),
    "cagrad": ("CAGrad", {"calpha": 0.5, "rescale": 1}),
    "graddrop": ("GradDrop", {"leak": 0.0}),
    "gradvac": ("GradVac", {"GradVac_beta": 0.5, "GradVac_group_type": 0}),
    "gradnorm": ("GradNorm", {"alpha": 1.5}),
    "imtl": ("IMTL", {}),
    "nash_mtl": ("Nash_MTL", {"update_weights_every": 1, "optim_niter": 20, "max_norm": 1.0}),
    "aligned_mtl": ("Aligned_MTL", {}),
    "db_mtl": ("DB_MTL", {"DB_beta": 0.9, "DB_beta_sigma": 0.5}),
    "stch": ("STCH", {"STCH_mu": 1.0, "STCH_warmup_epoch": 4}),
    "excess_mtl": ("ExcessMTL", {"robust_step_size": 1e-2}),
    "fairgrad": ("FairGrad", {"FairGrad_alpha": 1.0}),
    "moco": (
        "MoCo",
        {
            "MoCo_beta": 0.5,
            "MoCo_beta_sigma": 0.5,
            "MoCo_gamma": 0.1,
            "MoCo_gamma_sigma": 0.5,
            "MoCo_rho": 0.0,
        },
    ),
    "upgrad": ("UPGrad", {"UPGrad_norm_eps": 1e-4, "UPGrad_reg_eps": 1e-4}),
}
"""LibMTL's class and parameters, by our name of the method."""
BY_LOSSES = ("uncertainty", "dwa", "gls", "rlw", "stch", "excess_mtl")
"""Methods for which LibMTL differentiates a weighted sum of losses."""
TORCHJD = {
    "equal": lambda: aggregation.Sum(),
    "mgda": lambda: aggregation.MGDA(),
    "pcgrad": lambda: aggregation.PCGrad(),
    "cagrad": lambda: aggregation.CAGrad(c=0.5),
    "graddrop": lambda: aggregation.GradDrop(),
    "imtl_g": lambda: aggregation.IMTLG(),
    "nash_mtl": lambda: aggregation.NashMTL(n_tasks=TASKS),
    "aligned_mtl": lambda: aggregation.AlignedMTL(),
    "upgrad": lambda: aggregation.UPGrad(),
    "dualproj": lambda: aggregation.DualProj(),
    "config": lambda: aggregation.ConFIG(),
    "krum": lambda: aggregation.Krum(n_byzantine=1, n_selected=max(TASKS - 3, 1)),
    "trimmed_mean": lambda: aggregation.TrimmedMean(trim_number=1 if TASKS > 2 else 0),
    "rlw": lambda: aggregation.Random(),
    "gradvac": lambda: aggregation.GradVac(),
    "fairgrad": lambda: aggregation.FairGrad(alpha=1.0),
    "excess_mtl": lambda: aggregation.ExcessMTL(),
}
TASKS, ROUNDS, STEPS, THREADS = (int(a) for a in sys.argv[1:5])
METHODS = sys.argv[5].split(",") if len(sys.argv) > 5 else [*LIBMTL, *TORCHJD]
clock = time.process_time if THREADS == 1 else time.perf_counter
if THREADS:
    torch.set_num_threads(THREADS)
rng = np.random.default_rng(0)
X = torch.tensor(rng.normal(size=(BATCH, INPUTS)), dtype=torch.float32)
Y = torch.tensor(rng.integers(0, 2, (TASKS, BATCH)), dtype=torch.float32)
NAMES = [f"t{i}" for i in range(TASKS)]


def trunk() -> torch.nn.Module:
    sizes = [INPUTS, WIDTH, WIDTH, WIDTH, WIDTH, OUT]
    layers: list[torch.nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers)


def heads() -> torch.nn.ModuleDict:
    return torch.nn.ModuleDict({name: torch.nn.Linear(OUT, 1) for name in NAMES})


def losses_of(outputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    return [loss(outputs[name][:, 0], y) for name, y in zip(NAMES, Y, strict=True)]


def stepper(one: Callable[[], None]) -> Callable[[], float]:
    one()
    one()

    def run() -> float:
        began = clock()
        for _ in range(STEPS):
            one()
        return (clock() - began) / STEPS

    return run


def plain() -> Callable[[], float]:
    body, ends = trunk(), heads()
    optimizer = torch.optim.Adam([*body.parameters(), *ends.parameters()], 1e-3)

    def one() -> None:
        optimizer.zero_grad()
        h = body(X)
        sum(losses_of({n: ends[n](h) for n in NAMES})).backward()
        optimizer.step()

    return stepper(one)


def torchjd(make: Callable[[], torch.nn.Module]) -> Callable[[], float]:
    body, ends, aggregator = trunk(), heads(), make()
    optimizer = torch.optim.Adam([*body.parameters(), *ends.parameters()], 1e-3)

    def one() -> None:
        optimizer.zero_grad()
        h = body(X)
        losses = losses_of({n: ends[n](h) for n in NAMES})
        mtl_backward(losses, features=h)
        jac_to_grad(body.parameters(), aggregator)
        optimizer.step()

    return stepper(one)


def torchjd_features(make: Callable[[], torch.nn.Module]) -> Callable[[], float]:
    body, ends, aggregator = trunk(), heads(), make()
    optimizer = torch.optim.Adam([*body.parameters(), *ends.parameters()], 1e-3)

    def one() -> None:
        optimizer.zero_grad()
        h = body(X)
        features = h.detach().requires_grad_()
        losses = losses_of({n: ends[n](features) for n in NAMES})
        rows = []
        for loss in losses:  # each passes through its own head only
            loss.backward()
            rows.append(features.grad.flatten())
            features.grad = None
        h.backward(aggregator(torch.stack(rows)).view_as(h))
        optimizer.step()

    return stepper(one)


def torchjd_autogram(make: Callable[[], torch.nn.Module]) -> Callable[[], float]:
    body, ends, weighting = trunk(), heads(), make().gramian_weighting
    optimizer = torch.optim.Adam([*body.parameters(), *ends.parameters()], 1e-3)
    engine = Engine(body, batch_dim=None)

    def one() -> None:
        optimizer.zero_grad()
        h = body(X)
        losses = torch.stack(losses_of({n: ends[n](h) for n in NAMES}))
        losses.backward(weighting(engine.compute_gramian(losses)))
        optimizer.step()

    return stepper(one)


def by_libmtl(kind: str, parameters: dict[str, float], rep_grad: bool) -> Callable[[], float]:
    class Model(HPS, getattr(libmtl, kind)):  # like LibMTL's own Trainer
        def __init__(self) -> None:
            super().__init__(NAMES, trunk, heads(), rep_grad, False, torch.device("cpu"))
            self.init_param()

    model = Model()
    model.epoch, model.epochs, model.train_loss_buffer = 5, 10, np.ones((TASKS, 10))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)

    def one() -> None:
        losses = torch.stack(losses_of(model(X)))
        optimizer.zero_grad(set_to_none=False)
        model.backward(losses, **parameters)
        optimizer.step()

    return stepper(one)


def main() -> None:
    makers: dict[str, Callable[[], Callable[[], float]]] = {}
    for name, (kind, parameters) in LIBMTL.items() if libmtl else ():
        if name not in METHODS:
            continue
        for library, rep_grad in (("libmtl", True), ("libmtl_parameters", False)):
            if rep_grad and name in BY_LOSSES:
                continue  # the trunk would get no gradient
            makers[f"{library}/{name}"] = lambda k=kind, p=parameters, r=rep_grad: by_libmtl(
                k, p, r
            )
    for name, make in TORCHJD.items():
        if name in METHODS:
            makers[f"torchjd/{name}"] = lambda m=make: torchjd_features(m)
            makers[f"torchjd_autojac/{name}"] = lambda m=make: torchjd(m)
            makers[f"torchjd_autogram/{name}"] = lambda m=make: torchjd_autogram(m)
    ratios: dict[str, float] = {}
    plain_seconds = []
    reference = plain()
    for name, make in makers.items():
        try:
            run = make()
        except Exception as e:  # the library does not support this method here
            print(f"{name}: {type(e).__name__}: {e}".splitlines()[0], file=sys.stderr)
            continue
        rows = []
        for _ in range(ROUNDS):
            base = reference()
            plain_seconds.append(base)
            rows.append(run() / base)
        ratios[name] = statistics.median(rows)
    print(json.dumps(ratios | {"plain_ms": 1e3 * statistics.median(plain_seconds)}))


if __name__ == "__main__":
    main()
