"""Impossible sizes are refused in one sentence that holds the option, the number found and what to do."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from tests.models.worlds import KINDS, make
from wm_lab.errors import UserError
from wm_lab.models.decoder_only import DecoderOnlyConfig
from wm_lab.models.latent_mlp import LatentMLPConfig
from wm_lab.models.rssm import RSSMConfig
from wm_lab.models.video_diffusion import VideoDiffusionConfig
from wm_lab.settings import read_config
from wm_lab.world_model import DataSpec

SHARED = [
    ({"units": 0}, "model.units=0 must be a whole number from 1"),
    ({"open_loop": -2}, "model.open_loop=-2 must be a whole number from 0"),
    ({"open_loop_starts": 0}, "model.open_loop_starts=0"),
    ({"reward_bins": 64}, "model.reward_bins=64 .* odd"),
    ({"reward_limit": 0.0}, "model.reward_limit=0.0"),
    ({"min_step_std": 0}, "model.min_step_std=0"),
    ({"ensemble": 1}, "model.ensemble=1 .* at least 2"),
    ({"variables": 0}, "model.variables=0"),
    ({"minimum_std": 0.0}, "model.minimum_std=0.0"),
    ({"free_nats": -1.0}, "model.free_nats=-1.0"),
]
RECURRENT = [
    ({"deter": 100, "groups": 8}, "model.deter=100 .* model.groups=8"),
    ({"groups": 0}, "model.groups=0"),
    ({"latent": "binary"}, "model.latent='binary' .* gaussian or categorical"),
    ({"classes": 1}, "model.classes=1"),
    ({"unimix": 1.0}, "model.unimix=1.0"),
]


@pytest.mark.parametrize("config", [RSSMConfig, LatentMLPConfig])
@pytest.mark.parametrize(("options", "words"), SHARED)
def test_both_models_refuse(config, options, words):
    with pytest.raises(UserError, match=words):
        read_config(config, options, "model")


@pytest.mark.parametrize(("options", "words"), RECURRENT)
def test_the_rssm_refuses(options, words):
    with pytest.raises(UserError, match=words):
        read_config(RSSMConfig, options, "model")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(48, 48, 3), (64, 32, 3), (4, 4, 3), (64, 64, 1)])
def test_images_that_cannot_be_halved_to_four_pixels_are_refused_with_their_shape(kind, shape):
    with pytest.raises(UserError, match="x".join(map(str, shape))):
        make(kind, DataSpec({"pixels": shape}, 2))


@pytest.mark.parametrize("config", [RSSMConfig, LatentMLPConfig, VideoDiffusionConfig, DecoderOnlyConfig])
def test_yaml_can_hold_every_option(config):
    assert OmegaConf.to_object(OmegaConf.structured(config)) == config()
