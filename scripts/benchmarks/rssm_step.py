"""One training step of the RSSM at the shapes of DreamerV3's size1m, beside a compact implementation of its equations.

Both learn from the same batch (16 windows of 64 steps, 24-d observation, 6-d action) with the same optimiser and the
same terms: reconstruction, two-hot reward of 255 bins, continuation, and both KLs. The reference is as lean as readable
PyTorch gets, and can do nothing else: no padding, no resets but the first, no units, no imagination.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from measure import Row, fastest, size
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.models.rssm import RSSM, RSSMConfig
from wm_lab.world_model import DataSpec, Windows

B, T, OBSERVATION, ACTION = 16, 64, 24, 6
DETER, HIDDEN, VARIABLES, CLASSES, UNITS, LAYERS, GROUPS, BINS = 512, 64, 32, 4, 64, 3, 8, 255
SIZE1M = RSSMConfig(
    latent="categorical",
    deter=DETER,
    hidden=HIDDEN,
    groups=GROUPS,
    variables=VARIABLES,
    classes=CLASSES,
    units=UNITS,
    layers=LAYERS,
    reward_bins=BINS,
    reward_limit=20.0,
    dynamics_scale=1.0,
    representation_scale=0.1,
    open_loop=0,
)
SIZE12M = replace(SIZE1M, deter=2048, hidden=256, classes=16, units=256)  # DreamerV3's
ROUNDS, FEW_ROUNDS = 16, 4
LARGEST_RATIO = 1.1
LARGEST_LAPTOP_MS = 65.0


def run() -> list[Row]:
    torch.manual_seed(0)
    data = batch(B, T, OBSERVATION, ACTION)
    ours = RSSM(SIZE1M, DataSpec({"state": (OBSERVATION,)}, ACTION))
    laptop = RSSM(RSSMConfig(), DataSpec({"state": (35,)}, 7))
    small = batch(64, 16, 35, 7)
    reference = Reference()
    seconds, lean = fastest(
        [
            training_step(ours, lambda: ours.loss(data)[0]),
            training_step(reference, lambda: reference.loss(data)),
        ],
        ROUNDS,
    )
    (default,) = fastest([training_step(laptop, lambda: laptop.loss(small)[0])], ROUNDS // 2)
    large = RSSM(SIZE12M, ours.spec)
    few = batch(size(B, 2), size(T, 8), OBSERVATION, ACTION)
    (larger,) = fastest([training_step(large, lambda: large.loss(few)[0])], FEW_ROUNDS)
    return [
        Row("RSSM training step, size1m, B16 x T64", 1e3 * seconds, "ms"),
        Row("the same equations as a compact script", 1e3 * lean, "ms"),
        Row("RSSM / compact script", seconds / lean, "x", LARGEST_RATIO),
        Row("RSSM training step, laptop default, B64 x T16", 1e3 * default, "ms", LARGEST_LAPTOP_MS),
        Row("RSSM training step, size12m, B16 x T64", 1e3 * larger, "ms"),
    ]


def batch(rows: int, steps: int, observation: int, action: int) -> Windows:
    """Noise in the shape of data, each row a fresh episode."""
    first = torch.zeros(rows, steps, dtype=torch.bool)
    first[:, 0] = True
    return Windows(
        observation={"state": torch.randn(rows, steps, observation)},
        action=torch.rand(rows, steps, action) * 2 - 1,
        reward=torch.randn(rows, steps),
        first=first,
        terminal=torch.zeros(rows, steps, dtype=torch.bool),
        valid=torch.ones(rows, steps, dtype=torch.bool),
    )


def training_step(model: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """Forward, backward, clip and update, as the lab's trainer does them."""
    optimiser = torch.optim.AdamW(model.parameters(), 4e-5, foreach=True)

    def step() -> None:
        optimiser.zero_grad()
        loss().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 100.0)
        optimiser.step()

    return step


class Reference(nn.Module):
    """DreamerV3's world model (arXiv 2301.04104) written down in the shortest way that is fast."""

    def __init__(self) -> None:
        super().__init__()
        latent = VARIABLES * CLASSES
        self.encoder = net(OBSERVATION, UNITS, LAYERS)
        self.from_h, self.from_z, self.from_a = net(DETER, HIDDEN, 1), net(latent, HIDDEN, 1), net(ACTION, HIDDEN, 1)
        self.mix, self.mix_bias = blocks(DETER // GROUPS + 3 * HIDDEN, DETER // GROUPS)
        self.mix_norm = nn.RMSNorm(DETER, eps=1e-4)
        self.gates, self.gates_bias = blocks(DETER // GROUPS, 3 * DETER // GROUPS)
        self.post_h, self.post_o = nn.Linear(DETER, HIDDEN), nn.Linear(UNITS, HIDDEN, bias=False)
        self.post = nn.Sequential(nn.RMSNorm(HIDDEN, eps=1e-4), nn.SiLU(), nn.Linear(HIDDEN, latent))
        self.prior = net(DETER, HIDDEN, 2, latent)
        self.decoder = net(DETER + latent, UNITS, LAYERS, OBSERVATION)
        self.reward, self.goes_on = net(DETER + latent, UNITS, 1, BINS), net(DETER + latent, UNITS, 1, 1)
        half = torch.linspace(-20, 0, BINS // 2 + 1).abs().expm1().neg()
        self.register_buffer("bins", torch.cat([half, -half[:-1].flip(0)]))

    def step(self, h: Tensor, z: Tensor, a: Tensor, o: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shared = torch.cat([self.from_h(h), self.from_z(z), a], -1).expand(GROUPS, -1, -1)
        own = h.view(-1, GROUPS, DETER // GROUPS).transpose(0, 1)
        x = torch.baddbmm(self.mix_bias, torch.cat([own, shared], -1), self.mix).transpose(0, 1).reshape(-1, DETER)
        x = F.silu(self.mix_norm(x)).view(-1, GROUPS, DETER // GROUPS).transpose(0, 1)
        reset, new, update = torch.baddbmm(self.gates_bias, x, self.gates).transpose(0, 1).chunk(3, -1)
        new = torch.tanh(torch.sigmoid(reset) * new).reshape(-1, DETER)
        h = h + torch.sigmoid(update - 1).reshape(-1, DETER) * (new - h)
        logits = self.post(self.post_h(h) + o).view(-1, VARIABLES, CLASSES)
        p = mixed(logits)
        hard = F.one_hot((p.detach().log() + noise).argmax(-1), CLASSES)
        return h, (hard - p.detach() + p).flatten(1), logits

    def loss(self, data: Windows) -> Tensor:
        seen = symlog(data.observation["state"])
        keep = (~data.first)[..., None].float()
        o, a = self.post_o(self.encoder(seen)), self.from_a(data.action * keep)
        noise = -torch.empty(T, B, VARIABLES, CLASSES).exponential_().log()
        h, z = torch.zeros(B, DETER), torch.zeros(B, VARIABLES * CLASSES)
        series = []
        for t in range(T):
            h, z, logits = self.step(h * keep[:, t], z * keep[:, t], a[:, t], o[:, t], noise[t])
            series.append((h, z, logits))
        h, z, logits = (torch.stack(parts, 1) for parts in zip(*series, strict=True))
        q, p = mixed(logits), mixed(self.prior(h).view(B, T, VARIABLES, CLASSES))
        features = torch.cat([h, z], -1)
        return (
            kl(q.detach(), p).clamp_min(1).mean()
            + 0.1 * kl(q, p.detach()).clamp_min(1).mean()
            + (self.decoder(features) - seen).square().sum(-1).mean()
            - (self.two_hot(data.reward) * self.reward(features).log_softmax(-1)).sum(-1).mean()
            + F.softplus(-self.goes_on(features)).mean()
        )

    def two_hot(self, x: Tensor) -> Tensor:
        above = (self.bins <= x[..., None]).sum(-1).clamp(1, BINS - 1)
        low, high = self.bins[above - 1], self.bins[above]
        weight = ((x - low) / (high - low)).clamp(0, 1)[..., None]
        return F.one_hot(above - 1, BINS) * (1 - weight) + F.one_hot(above, BINS) * weight


def net(inputs: int, units: int, layers: int, outputs: int | None = None) -> nn.Sequential:
    stack: list[nn.Module] = []
    for i in range(layers):
        stack += [nn.Linear(units if i else inputs, units), nn.RMSNorm(units, eps=1e-4), nn.SiLU()]
    return nn.Sequential(*stack, *([] if outputs is None else [nn.Linear(units, outputs)]))


def blocks(inputs: int, outputs: int) -> tuple[nn.Parameter, nn.Parameter]:
    weight = torch.randn(GROUPS, inputs, outputs) / (GROUPS * inputs) ** 0.5
    return nn.Parameter(weight), nn.Parameter(torch.zeros(GROUPS, 1, outputs))


def symlog(x: Tensor) -> Tensor:
    return x.sign() * x.abs().log1p()


def mixed(logits: Tensor) -> Tensor:
    return 0.99 * logits.softmax(-1) + 0.01 / CLASSES


def kl(p: Tensor, q: Tensor) -> Tensor:
    return (p * (p.log() - q.log())).sum((-1, -2))
