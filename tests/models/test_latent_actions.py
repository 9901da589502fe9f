"""Codes for what happens between frames are found without any actions, and few actions suffice to steer by them."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

from tests.models.worlds import ACTION, fit, imagined, make, make_informed, noise_windows, rmse, windows
from wm_lab.errors import UserError
from wm_lab.models.video_token import VideoToken
from wm_lab.models.video_token.config import LatentActionsConfig
from wm_lab.settings import read_config
from wm_lab.world_model import DataSpec, Windows

SIZE, STEPS = 8, 6
MOVES = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
LATENT = LatentActionsConfig(levels=[3, 3])


def play(episodes: int, seed: int) -> tuple[Windows, Tensor]:
    """A white square goes up, down, left or right by its own size, and never out; and which of the four, [B, T]."""
    generator = torch.Generator().manual_seed(seed)
    place, move, places = torch.randint(4, (episodes, 2), generator=generator), [], []
    for _ in range(STEPS):
        stays = ((place[:, None] + MOVES >= 0) & (place[:, None] + MOVES < 4)).all(-1)
        move.append(torch.multinomial(stays.float(), 1, generator=generator)[:, 0])
        place = (place + MOVES[move[-1]]).long()
        places.append(place)
    inside = [torch.arange(SIZE) // 2 == p[..., None] for p in torch.stack(places, 1).unbind(-1)]
    image = (inside[0][..., :, None] & inside[1][..., None, :]).unsqueeze(-1).expand(-1, -1, -1, -1, 3)
    return windows({"pixels": image.to(torch.uint8) * 255}, MOVES[torch.stack(move, 1)]), torch.stack(move, 1)


@pytest.fixture(scope="module")
def taught() -> VideoToken:
    """Trained on 512 episodes, of which 16 show their actions."""
    data, _ = play(512, 0)
    data.action[16:] = torch.nan
    spec = DataSpec({"pixels": (SIZE, SIZE, 3)}, 2)
    model = make("video_token", spec, depth=16, units=32, open_loop=3, latent_actions=LATENT)
    fit(model, data, steps=500, batch=16, rate=1e-2)
    return model


@pytest.mark.slow
def test_codes_recover_the_moves_of_video_without_actions(taught):
    held_out, move = play(128, 1)
    held_out.action[:] = torch.nan
    with torch.no_grad():
        code = taught.latent.fsq.index(taught.latent.infer(held_out))
    assert normalized_mutual_info_score(move[:, 1:].flatten(), code[:, 1:].flatten()) > 0.95


@pytest.mark.slow
def test_few_labelled_episodes_teach_which_action_does_what(taught):
    held_out, _ = play(128, 1)
    truth = held_out.observation["pixels"][:, 3:].float()
    right = rmse(imagined(taught, held_out, 3, "pixels"), truth)
    held_out.action = held_out.action.roll(1, 0)
    assert rmse(imagined(taught, held_out, 3, "pixels"), truth) > 1.1 * right


def test_video_without_actions_is_filtered_by_what_is_seen_to_happen(taught):
    told, _ = play(64, 2)
    untold = told.map(torch.clone)
    untold.action[:] = torch.nan
    with torch.no_grad():
        assert rmse(taught.latent.to_codes(told).action, taught.latent.to_codes(untold).action) < 0.1


def test_actions_change_nothing_but_the_adapter():
    model = make_informed("video_token", latent_actions=LATENT)
    data, hidden = noise_windows(), noise_windows()
    hidden.action[:] = torch.nan
    logs = []
    for seen in (data, hidden):
        torch.manual_seed(0)
        logs.append(model.loss(seen)[1])
    assert logs[0].pop("actions") > 0 and logs[1].pop("actions") == 0
    assert all(torch.equal(value, logs[1][name]) for name, value in logs[0].items())


def test_filtering_step_by_step_equals_the_batched_pass():
    model, data = make_informed("video_token", latent_actions=LATENT).eval(), noise_windows()
    _, whole = model.observe(data)
    state, parts = None, []
    for t in range(data.shape[1]):
        state, part = model.observe(data[:, t : t + 1], state)
        parts.append(part.features)
    torch.testing.assert_close(torch.cat(parts, 2), whole.features, rtol=1e-4, atol=1e-4)
    assert model.imagine(state, torch.zeros(3, 2, 4, ACTION)).features.shape[:3] == (3, 2, 4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"levels": [3, 2]}, r"model\.latent_actions\.levels=\[3, 2\] .* at least 3"),
        ({"levels": [3], "labelled": 1.5}, r"labelled=1\.5 must be .* from 0 to 1"),
        ({"labelled": 0.5}, r"labelled=0\.5 hides actions .*levels=\[3,3\]"),
    ],
)
def test_options_that_cannot_work_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        read_config(LatentActionsConfig, options, "model.latent_actions")
