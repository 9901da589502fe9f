"""Odometry: image features learn where the robot is, by predicting how far its actions have moved it.

    p_t = linear(features of o_t)          loss = sum over action dimensions of  var_t(p_t - way_t) / var_t(way_t)
    way_t = a_1 + ... + a_t                (variances over the steps of a window)

That is an inverse model (Agrawal et al. 2016, arXiv 1606.07419) of every two steps of a window at once.
Multi-step ones (Lamb et al. 2022, arXiv 2207.08229) name the first action between two steps; this one names the sum of
all, and is linear, so that the features must hold a position. A robot covers few pixels of an image, so a decoder
learns its position late; this loss depends on nothing else. A command that is no velocity, such as a gripper's opening,
has no position to predict: it costs its 1 and teaches nothing.
"""

from __future__ import annotations

from torch import Tensor, nn

from wm_lab.world_model import Windows

STANDSTILL = 1e-4
"""Least variance of a way: an action that is never taken asks for nothing."""


class Odometer(nn.Module):
    """Reads image features [..., inputs], which must not depend on actions."""

    def __init__(self, inputs: int, actions: int):
        super().__init__()
        self.place = nn.Linear(inputs, actions)

    def loss(self, image_features: Tensor, windows: Windows) -> Tensor:
        """[B, T, inputs] -> [B, T], in mean the share of the way's variance that is missed, summed over actions.

        Only a window's last episode counts, and of it what is real and has its actions recorded.
        """
        action = windows.previous_action.detach()
        episode = windows.first.cumsum(1)
        counts = windows.valid & (episode == episode[:, -1:]) & ~action.isnan().any(-1)
        way = action.nan_to_num().cumsum(1)
        travelled = deviation(way, counts).square()
        unit = travelled.sum((0, 1)) / counts.sum().clamp_min(1)
        missed = deviation(self.place(image_features) - way, counts).square()
        return (missed / unit.clamp_min(STANDSTILL)).sum(-1)


def deviation(values: Tensor, counts: Tensor) -> Tensor:
    """Of values [B, T, A] from their mean over those steps [B, T] of a window that count; 0 at the others."""
    weight = counts[..., None].to(values.dtype)
    mean = (values * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp_min(1)
    return (values - mean) * weight
