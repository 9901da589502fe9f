"""Statistics of episodes and of whole datasets, against what lerobot 0.4.4's own compute_stats.py gives."""

from __future__ import annotations

import numpy as np
import pytest

from wm_lab.formats.lerobot_stats import gather, merge

EPISODES = [np.arange(10.0) ** 2, np.array([-1.0, 0, 0, 0, 3, 3, 8]), np.array([2.0, 5.0])]
THEIRS = [
    {
        "mean": 28.5,
        "std": 26.852374,
        "count": 10,
        "q01": 0.0,
        "q10": 0.0,
        "q50": 16.0056,
        "q90": 64.0062,
        "q99": 80.99838,
    },
    {
        "mean": 1.857143,
        "std": 2.899683,
        "count": 7,
        "q01": -1,
        "q10": -1,
        "q50": 0.0005,
        "q90": 7.99874,
        "q99": 7.999874,
    },
    {"mean": 3.5, "std": 1.5, "count": 2, "q01": 2.0, "q10": 2.0, "q50": 2.0, "q90": 4.99988, "q99": 4.999988},
]
THEIRS_OF_ALL = {"min": -1.0, "max": 81.0, "mean": 16.052632, "std": 23.562847, "count": 19} | {
    "q01": -0.157895,
    "q10": -0.157895,
    "q50": 8.634711,
    "q90": 37.160681,
    "q99": 46.104363,
}


@pytest.mark.parametrize("which", range(3))
def test_of_an_episode_they_are_lerobot_s(which):
    found = gather({"reward": EPISODES[which]})["reward"]
    assert {name: found[name][0] for name in THEIRS[which]} == pytest.approx(THEIRS[which], abs=1e-6)


def test_of_all_episodes_quantiles_are_averages_weighted_by_frames_as_lerobot_s():
    found = merge([gather({"reward": episode}) for episode in EPISODES])["reward"]
    assert {name: found[name][0] for name in THEIRS_OF_ALL} == pytest.approx(THEIRS_OF_ALL, abs=1e-6)


def test_of_images_they_are_of_pixels_between_0_and_1():
    images = np.zeros((4, 8, 8, 3), np.uint8)
    images[2:, ..., 0], images[..., 1] = 255, 51
    found = gather({"top": images})["top"]
    assert np.shape(found["mean"]) == (3, 1, 1) and found["count"] == [4]
    assert np.ravel(found["mean"]).tolist() == pytest.approx([0.5, 0.2, 0.0])
    assert np.ravel(found["std"]).tolist() == pytest.approx([0.5, 0.0, 0.0])  # where lerobot's overflows
    assert np.ravel(found["q99"]).tolist() == pytest.approx([1.0, 0.2, 0.0], abs=1e-5)
