"""Image scores against what the formulas give by hand."""

from __future__ import annotations

import numpy as np
import pytest

from wm_lab.evaluation.image_metrics import K1, K2, psnr, rms_error, ssim


def flat(value: float, size: int = 16) -> np.ndarray:
    return np.full((size, size, 3), value)


def test_psnr_is_the_textbook_number():
    assert rms_error(flat(110), flat(100)) == pytest.approx(10)
    assert psnr(flat(110), flat(100)) == pytest.approx(20 * np.log10(25.5))
    assert psnr(flat(100), flat(100)) == pytest.approx(58.92, abs=0.01)  # rounding is all that is left


def test_uint8_images_do_not_wrap_around():
    black, white = flat(0).astype(np.uint8), flat(255).astype(np.uint8)
    assert rms_error(black, white) == rms_error(white, black) == 255
    assert psnr(black, white) == pytest.approx(0)


def test_ssim_of_flat_images_is_their_luminance_term():
    c1 = (K1 * 255) ** 2
    assert ssim(flat(50), flat(100)) == pytest.approx((2 * 50 * 100 + c1) / (50**2 + 100**2 + c1))


def test_ssim_of_one_window_is_the_formula_with_gaussian_weights():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 255, (2, 11, 11, 1))
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weights = (weights / weights.sum())[..., None]
    mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
    variance_x, variance_y = (weights * (x - mean_x) ** 2).sum(), (weights * (y - mean_y) ** 2).sum()
    covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
    c1, c2 = (K1 * 255) ** 2, (K2 * 255) ** 2
    expected = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    expected /= (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    assert ssim(x, y) == pytest.approx(expected)


def test_ssim_sees_lost_structure_where_psnr_sees_none():
    """A shift of brightness and a blur of equal squared error: only the blur loses the picture."""
    rng = np.random.default_rng(0)
    picture = rng.uniform(60, 160, (32, 32, 3))
    noisy = picture + 20 * np.sign(rng.normal(size=picture.shape))
    brighter = picture + 20
    assert psnr(noisy, picture) == pytest.approx(psnr(brighter, picture))
    assert ssim(picture, picture) == pytest.approx(1)
    assert ssim(noisy, picture) < ssim(brighter, picture) - 0.05


def test_leading_axes_are_kept_and_tiny_images_have_a_score():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 255, (2, 3, 5, 4, 4, 3))
    assert ssim(x, y).shape == psnr(x, y).shape == (3, 5)
    assert ssim(x, y)[1, 2] == pytest.approx(ssim(x[1, 2], y[1, 2]))
    with pytest.raises(ValueError, match="one shape"):
        ssim(x, y[:1])
