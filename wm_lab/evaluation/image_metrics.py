"""How alike two images are: peak signal-to-noise ratio, and structural similarity (Wang et al. 2004).

Images are [..., H, W, C] with values in [0, 255]; leading axes are kept, channels are averaged.
"""

from __future__ import annotations

import numpy as np

PEAK = 255.0

ROUNDING = 1 / 12
"""Mean squared error of rounding to whole grey levels: nothing closer than this can be told apart in uint8 truth."""

RADIUS, SIGMA = 5, 1.5
"""Of the Gaussian window, in pixels (Wang et al. 2004, section III-C: 11 × 11, 1.5)."""

K1, K2 = 0.01, 0.03
"""Wang et al. 2004, section III-B: they keep flat and dark patches from dividing by nothing."""


def rms_error(imagined: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Root mean square difference over pixels and channels, in grey levels: [..., H, W, C] -> [...]."""
    _require_alike(imagined, truth)
    error: np.ndarray = np.sqrt(np.mean((imagined.astype(np.float64) - truth) ** 2, axis=(-3, -2, -1)))
    return error


def psnr(imagined: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio in dB, higher is better; at most 58.9, where only rounding is left."""
    decibels: np.ndarray = 10 * np.log10(PEAK**2 / np.maximum(rms_error(imagined, truth) ** 2, ROUNDING))
    return decibels


def ssim(imagined: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Structural similarity, 1 for equal images: averaged over the windows that lie wholly inside, and channels.

    Images too small for the window are seen through a smaller one.
    """
    from scipy.ndimage import correlate1d  # slow to load, and most commands compare no images

    _require_alike(imagined, truth)
    radius = min(RADIUS, (min(truth.shape[-3:-1]) - 1) // 2)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / SIGMA) ** 2)
    kernel /= kernel.sum()

    def smooth(x: np.ndarray) -> np.ndarray:
        blurred = correlate1d(correlate1d(x, kernel, axis=-3), kernel, axis=-2)
        height, width = x.shape[-3:-1]
        inside: np.ndarray = blurred[..., radius : height - radius, radius : width - radius, :]
        return inside

    x, y = imagined.astype(np.float64), truth.astype(np.float64)
    mean_x, mean_y = smooth(x), smooth(y)
    variance_x, variance_y = smooth(x * x) - mean_x**2, smooth(y * y) - mean_y**2
    covariance = smooth(x * y) - mean_x * mean_y
    c1, c2 = (K1 * PEAK) ** 2, (K2 * PEAK) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    similarity: np.ndarray = (luminance * structure).mean(axis=(-3, -2, -1))
    return similarity


def _require_alike(imagined: np.ndarray, truth: np.ndarray) -> None:
    if imagined.shape != truth.shape or truth.ndim < 3:
        raise ValueError(f"images must be [..., H, W, C] and of one shape, found {imagined.shape} and {truth.shape}")
