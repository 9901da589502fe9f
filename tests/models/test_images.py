"""Images are read and painted from the mean image on, and keypoints say where in them something is."""

from __future__ import annotations

import pytest
import torch

from wm_lab.errors import UserError
from wm_lab.models.parts.heads import Heads
from wm_lab.models.parts.images import Contrast, ImageDecoder, ImageEncoder, Keypoints, spatial_softmax
from wm_lab.models.parts.observations import AutoencoderConfig, ObservationDecoder
from wm_lab.world_model import DataSpec, Windows


def spec_of(size: int, mean: float | None = None) -> DataSpec:
    shape = (size, size, 3)
    if mean is None:
        return DataSpec({"pixels": shape}, action_size=2)
    return DataSpec({"pixels": shape}, 2, mean={"pixels": [mean] * (3 * size * size)}, std={"pixels": [10.0]})


@pytest.mark.parametrize("size", [8, 16, 64])
def test_images_go_through_the_encoder_and_come_back_at_their_size(size):
    image = torch.randint(256, (2, 3, size, size, 3), dtype=torch.uint8)
    encoder = ImageEncoder(spec_of(size), "pixels", depth=4, points=5)
    token = encoder(image)
    assert token.shape == (2, 3, encoder.size)
    assert ImageDecoder(encoder.size, spec_of(size), "pixels", 4)(token).shape == image.shape


def test_a_size_that_does_not_halve_down_to_four_is_refused():
    with pytest.raises(UserError, match=r"'pixels' is 48x48x3.*power of two.*task\.image_size"):
        ImageEncoder(DataSpec({"pixels": (48, 48, 3)}, 2), "pixels", depth=4)


def test_contrast_is_zero_at_the_mean_image_and_comes_back_exactly():
    generator = torch.Generator().manual_seed(0)
    mean, image = torch.rand(2, 8, 8, 3, generator=generator) * 255
    contrast = Contrast(mean, std=10.0)
    assert contrast(mean[None]).abs().max() < 1e-5
    torch.testing.assert_close(contrast.inverse(contrast(image)) * 255, image)


def test_a_decoder_starts_near_the_mean_image():
    torch.manual_seed(0)
    painted = ImageDecoder(16, spec_of(64, mean=51.0), "pixels", depth=4)(torch.randn(8, 16)).detach()
    assert (painted - 0.2).abs().mean() < 0.1


def test_a_keypoint_is_where_its_feature_is_and_says_how_it_looks_there():
    keypoints = Keypoints(channels=1, points=1)
    with torch.no_grad():
        keypoints.maps.weight.zero_()[0, 0, 1, 1] = 50.0
        keypoints.maps.bias.zero_()
    maps = torch.zeros(2, 1, 16, 16)
    maps[0, 0, 0, 15] = 1.0  # the upper right corner
    maps[1, 0, 5, 10] = 1.0
    x, y, strength, look = keypoints(maps).unbind(-1)
    torch.testing.assert_close(x, torch.tensor([1.0, -1 + 2 * 10 / 15]))
    torch.testing.assert_close(y, torch.tensor([-1.0, -1 + 2 * 5 / 15]))
    assert strength.min() > 40
    torch.testing.assert_close(look, torch.ones(2))  # what is to be seen there


def test_a_spatial_softmax_reads_what_the_plain_one_does_and_learns_the_same():
    generator = torch.Generator().manual_seed(0)
    maps, read = (torch.randn(3, n, *shape, generator=generator) for n, shape in ((4, (6, 5)), (2, (30,))))
    maps, read = ((20 * x).double().requires_grad_() for x in (maps, read))
    means, strength = spatial_softmax(maps, read)
    flat = maps.flatten(2)
    plain = flat.softmax(-1) @ read.transpose(1, 2), flat.exp().mean(-1).log()
    torch.testing.assert_close((means, strength), plain)
    own, other = (
        torch.autograd.grad(m.square().sum() + s.sin().sum(), (maps, read)) for m, s in ((means, strength), plain)
    )
    torch.testing.assert_close(own, other)


def test_the_loss_of_a_share_of_the_frames_is_that_of_all_on_average():
    torch.manual_seed(0)
    spec, features = spec_of(8), torch.randn(4, 6, 10)
    images = torch.randint(256, (4, 6, 8, 8, 3), dtype=torch.uint8)
    zeros, none = torch.zeros(4, 6), torch.zeros(4, 6, dtype=torch.bool)
    windows = Windows({"pixels": images}, torch.zeros(4, 6, 2), zeros, none, none, ~none)
    config = AutoencoderConfig(decoded_share=0.25)
    heads = Heads(config, spec, 10, 10, ObservationDecoder(config, spec, 10))

    def loss() -> torch.Tensor:
        return heads.losses(features, windows, features)["decoder"].detach()

    heads.eval()
    whole = loss()
    assert (whole > 0).all()
    heads.train()
    drawn = torch.stack([loss() for _ in range(400)])
    assert ((drawn > 0).sum((1, 2)) == 6).all()
    torch.testing.assert_close(drawn.mean(0), whole, rtol=0.5, atol=0.0)
    torch.testing.assert_close(drawn.mean(), whole.mean(), rtol=0.02, atol=0.0)
