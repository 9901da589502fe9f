"""Light from a lamp over the scene: which way surfaces face, what lies in shadow, and smooth edges between things."""

from __future__ import annotations

import mujoco
import numpy as np
from mujoco import mjtGeom

AMBIENT = 0.6  # brightness of what no lamp reaches, facing up; what faces down has half of it
SHADOW_GAP = 2e-3  # m, by which something must be nearer to the lamp to throw a shadow

# Places within a pixel, in pixels from its middle (x, y): a square turned so that no two share a row or a column.
WITHIN_PIXEL = np.array([(-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125)])


def normals(model: mujoco.MjModel, data: mujoco.MjData, geom: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Unit normals [R, 3] at hits [R, 3] on geoms [R]; zero where a shape, such as a mesh's, does not tell."""
    found = np.zeros_like(hits)
    for number in np.flatnonzero(np.bincount(geom + 1)[1:]):
        kind, axes = int(model.geom_type[number]), data.geom_xmat[number].reshape(3, 3)
        if kind == mjtGeom.mjGEOM_PLANE:
            found[geom == number] = axes[:, 2]
        elif kind in _OUTWARD:
            there = np.flatnonzero(geom == number)
            outward = _OUTWARD[kind]((hits[there] - data.geom_xpos[number]) @ axes, model.geom_size[number])
            found[there] = (outward / np.maximum(lengths(outward), 1e-12)[:, None]) @ axes.T
    return found


def brightness(normal: np.ndarray, to_lamp: np.ndarray, lit: np.ndarray) -> np.ndarray:
    """How bright surfaces are [R]: `normal` [R, 3], `to_lamp` [R, 3] m, `lit`: how much of the lamp they see [R]."""
    facing = np.maximum(np.einsum("rk,rk->r", normal, to_lamp) / lengths(to_lamp), 0.0)
    around = AMBIENT * (0.75 + 0.25 * normal[:, 2])
    shade: np.ndarray = around + (1.0 - AMBIENT) * facing * lit
    return shade


def lengths(vectors: np.ndarray) -> np.ndarray:
    """Of vectors [..., 3]."""
    found: np.ndarray = np.sqrt(np.einsum("...k,...k->...", vectors, vectors))
    return found


def screen_normals(hits: np.ndarray, eye: np.ndarray, geom: np.ndarray) -> np.ndarray:
    """Unit normals [H, W, 3] towards the eye from neighbouring hits [H, W, 3] on the same geom [H, W].

    Of the two neighbours in a row, and of those in a column, the nearer one counts: the other may lie beyond an edge.
    """
    across, down = _difference(hits, geom, 1), _difference(hits, geom, 0)
    normal = np.cross(across, down)
    length = lengths(normal)[..., None]
    back = eye - hits
    back /= lengths(back)[..., None]
    normal = np.where(length > 1e-15, normal / np.maximum(length, 1e-15), back)
    flipped: np.ndarray = np.where((normal * back).sum(axis=-1, keepdims=True) < 0, -normal, normal)
    return flipped


def edges(labels: np.ndarray) -> np.ndarray:
    """Where a pixel's label [H, W] is not that of each of its four neighbours, [H, W] bool."""
    found = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        differs = np.diff(labels, axis=axis) != 0
        before, after = [slice(None)] * 2, [slice(None)] * 2
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        found[tuple(before)] |= differs
        found[tuple(after)] |= differs
    return found


def _difference(hits: np.ndarray, geom: np.ndarray, axis: int) -> np.ndarray:
    """Steps [H, W, 3] along an axis of the picture to the nearer neighbour on the same geom, zero without one."""
    ahead = np.diff(hits, axis=axis, append=np.take(hits, [-1], axis))
    behind = np.diff(hits, axis=axis, prepend=np.take(hits, [0], axis))
    far_ahead = np.where(np.diff(geom, axis=axis, append=-2) == 0, lengths(ahead), np.inf)
    far_behind = np.where(np.diff(geom, axis=axis, prepend=-2) == 0, lengths(behind), np.inf)
    nearer = np.where((far_ahead <= far_behind)[..., None], ahead, behind)
    alone = np.isinf(np.minimum(far_ahead, far_behind))
    step: np.ndarray = np.where(alone[..., None], 0.0, nearer)
    return step


# Outward directions [R, 3], of any length, at points [R, 3] in a geom's own axes.


def _ball(points: np.ndarray, size: np.ndarray) -> np.ndarray:
    return points


def _box(points: np.ndarray, size: np.ndarray) -> np.ndarray:
    face = np.abs(points / size).argmax(axis=1)
    rows = np.arange(len(points))
    outward = np.zeros_like(points)
    outward[rows, face] = points[rows, face]
    return outward


def _capsule(points: np.ndarray, size: np.ndarray) -> np.ndarray:
    outward = points.copy()
    outward[:, 2] -= np.clip(points[:, 2], -size[1], size[1])
    return outward


def _cylinder(points: np.ndarray, size: np.ndarray) -> np.ndarray:
    outward = points.copy()
    cap = np.abs(points[:, 2]) > size[1] - 1e-5
    outward[cap, :2] = 0.0
    outward[~cap, 2] = 0.0
    return outward


def _ellipsoid(points: np.ndarray, size: np.ndarray) -> np.ndarray:
    outward: np.ndarray = points / size**2
    return outward


_OUTWARD = {
    int(mjtGeom.mjGEOM_SPHERE): _ball,
    int(mjtGeom.mjGEOM_BOX): _box,
    int(mjtGeom.mjGEOM_CAPSULE): _capsule,
    int(mjtGeom.mjGEOM_CYLINDER): _cylinder,
    int(mjtGeom.mjGEOM_ELLIPSOID): _ellipsoid,
}
