"""Under bfloat16 autocast, as `trainer.precision=bfloat16` trains, every family does what it does in float32."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.models.worlds import ACTION, KINDS, SIGHT, SPEC, looking, make, noise_windows
from wm_lab.models.video_token.config import LatentActionsConfig
from wm_lab.planners import CEM, CEMConfig
from wm_lab.policies.behaviour_cloning import BehaviourCloning, BehaviourCloningConfig
from wm_lab.world_model import DataSpec, Windows, WorldModel

pytestmark = pytest.mark.slow

BOTH = DataSpec({**SPEC.observation, **SIGHT.observation}, ACTION, SPEC.mean, SPEC.std, SPEC.std_change)
CLOSE = 0.05
"""bfloat16 keeps 8 bits of a number's 24: results may differ by a few hundredths of their size."""


def seeing(b: int = 3, steps: int = 7) -> Windows:
    """States and images at once."""
    data, images = noise_windows(b, steps), looking(b, steps)
    data.observation.update(images.observation)
    return data


WORLDS = {"state": (SPEC, noise_windows), "pixels": (SIGHT, looking), "both": (BOTH, seeing)}
VARIANTS = [
    ("rssm-gaussian", {"heads_read": "all", "open_loop": 3}),
    ("rssm-categorical", {"open_loop": 3, "reward_bins": 0}),
    ("latent_mlp", {"open_loop": 3}),
    ("video_token", {"latent_actions": LatentActionsConfig(levels=[3, 3], labelled=0.5), "open_loop": 3}),
    ("video_token", {"decoding": "maskgit"}),
    ("video_token", {"decoding": "autoregressive"}),
    ("video_token", {"tokens": 2}),
    ("decoder_only", {"action_head": "regression", "open_loop": 3}),
    ("decoder_only", {"language": True}),
]
EVERY = pytest.mark.parametrize(("kind", "world"), [(kind, world) for kind in KINDS for world in WORLDS])
half = torch.autocast("cpu", torch.bfloat16)


def losses(model: torch.nn.Module, data: Windows) -> tuple[torch.Tensor, torch.Tensor]:
    """The same loss in float32 and in bfloat16, from the same draws."""
    found = []
    for enabled in (False, True):
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            found.append(model.loss(data)[0])
    return found[0], found[1]


@EVERY
def test_every_family_trains_filters_plans_and_decodes_in_half_precision(kind, world):
    spec, windows = WORLDS[world]
    model = make(kind, spec, ensemble=2)
    assert_trains(model, windows())
    assert_plans(model, windows())


@pytest.mark.parametrize(("kind", "options"), VARIANTS)
def test_every_variant_of_a_family_does(kind, options):
    model = make(kind, replace(SPEC, instructions=("push it", "lift it")), **options)
    assert_trains(model, noise_windows())
    assert_plans(model, noise_windows())


def assert_trains(model: WorldModel, data: Windows) -> None:
    full, rounded = losses(model.train(), data)
    torch.testing.assert_close(rounded.float(), full, rtol=CLOSE, atol=CLOSE)
    rounded.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients and all(g.isfinite().all() and g.dtype == torch.float32 for g in gradients)


def assert_plans(model: WorldModel, data: Windows) -> None:
    model.eval()
    planner = CEM(CEMConfig(horizon=4, candidates=16, iterations=2, elites=4), ACTION)
    generators = [torch.Generator().manual_seed(b) for b in range(3)]
    rewards = []
    for enabled in (False, True):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            belief, _ = model.observe(data)
            belief, _ = model.observe(data[:, :1], belief)
            plan = planner.plan(lambda a, belief=belief: model.imagine(belief, a).reward.sum(-1), generators)
            future = model.imagine(belief, torch.zeros(3, 2, 4, ACTION))
            decoded = model.decode(future)
        rewards.append(future.reward.float())
        assert plan.actions.isfinite().all() and not plan.failed.any()
        assert all(v.isfinite().all() for v in future if v is not None)
        for key, shape in model.spec.observation.items():
            assert decoded[key].shape == (3, 2, 4, *shape)
            assert decoded[key].float().isfinite().all()
    torch.testing.assert_close(rewards[1], rewards[0], rtol=CLOSE, atol=2 * CLOSE)


@pytest.mark.parametrize("world", WORLDS)
def test_a_clone_in_half_precision_is_the_same_clone(world):
    spec, windows = WORLDS[world]
    torch.manual_seed(0)
    clone, data = BehaviourCloning(BehaviourCloningConfig(hidden=32, dropout=0.0), spec), windows()
    full, rounded = losses(clone, data)
    torch.testing.assert_close(rounded.float(), full, rtol=CLOSE, atol=CLOSE)
    rounded.backward()
    seen = {key: value[:, :2] for key, value in data.observation.items()}
    with half:
        acts = clone(seen)
    torch.testing.assert_close(acts.float(), clone(seen), rtol=CLOSE, atol=CLOSE)
