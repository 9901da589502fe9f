"""A model that goes on from trained weights, and sees by the statistics of the data that it learns from next."""

from __future__ import annotations

from collections.abc import Callable

import torch

from wm_lab.world_model import DataSpec, WorldModel


def restandardised(earlier: WorldModel, make: Callable[[DataSpec], WorldModel], spec: DataSpec) -> WorldModel:
    """`earlier` as `make` builds it for `spec`.

    Its parameters stay, and so do buffers that follow from chance or training. Those that differ between two models
    built alike for either specification are statistics, and are taken from the new one. What it predicts is off at
    first, by as much as the statistics moved; training goes on from there.
    """
    built = []
    with torch.random.fork_rng():
        for each in (earlier.spec, spec):
            torch.manual_seed(0)
            built.append(make(each))
    before, after = built
    old, new = before.state_dict(), after.state_dict()
    statistics = {name for name, _ in after.named_buffers() if name in new and not torch.equal(old[name], new[name])}
    learnt = earlier.state_dict()
    after.load_state_dict({name: new[name] if name in statistics else learnt[name] for name in new})
    return after
