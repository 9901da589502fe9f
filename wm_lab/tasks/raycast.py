"""Pictures and depth of any MuJoCo model without a GL library: one ray a pixel, on the CPU.

Rays see geoms only: no sites, textures or lights. Whatever should be seen, such as a goal, must be a geom.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import mujoco
import numpy as np

from wm_lab.tasks.look import paint, place
from wm_lab.tasks.variation import TRAIN, Factors

SKY = (0.55, 0.65, 0.75)
FADING = 0.5  # 1/m, how fast colours darken with distance where the release of MuJoCo gives no normals
ROOM = 1.5  # m, extent of a model up to which they do; in a larger one they darken more slowly
LIGHT = np.array([0.3, -0.3, 0.9]) / np.linalg.norm([0.3, -0.3, 0.9])  # where the light comes from
AMBIENT = 0.45  # brightness of a face turned away from the light
GOAL = (1.0, 0.4, 1.0)  # RGB in [0, 1], of whatever should be reached
CUTOFF = 1e3  # m, nothing is seen beyond
VISIBLE_GROUPS = np.array([1, 1, 1, 0, 0, 0], np.uint8)  # MuJoCo's viewers hide groups 3 to 5 too

# Releases after 3.3 return the surface normal of every hit as one more output.
_GIVES_NORMALS = "normal" in (mujoco.mj_multiRay.__doc__ or "")


class View(NamedTuple):
    """Where a camera stands and looks: it sees along its own -z axis, y up."""

    position: np.ndarray  # [3] m
    rotation: np.ndarray  # [3, 3], columns are the camera's axes in the world
    fovy: float  # degrees, vertical field of view

    @classmethod
    def towards(cls, target: Sequence[float], eye: Sequence[float], fovy: float = 45.0) -> View:
        """From `eye` to `target` (m), upright; not for looking straight up or down."""
        back = np.subtract(eye, target)
        back = back / np.linalg.norm(back)
        right = np.cross([0.0, 0.0, 1.0], back)
        right /= np.linalg.norm(right)
        return cls(np.asarray(eye, float), np.stack([right, np.cross(back, right), back], axis=1), fovy)


class Marker(NamedTuple):
    """A ball that is drawn into pictures and is no part of the model, such as a goal."""

    position: tuple[float, float, float]  # m
    radius: float  # m
    color: tuple[float, float, float] = GOAL  # RGB in [0, 1]
    opacity: float = 1.0  # in (0, 1]; below 1, what is behind it shines through where there is a lamp


class Hits(NamedTuple):
    """What R rays hit first."""

    geom: np.ndarray  # [R] int32, -1: nothing
    distance: np.ndarray  # [R] m
    normal: np.ndarray | None  # [R, 3], where the release of MuJoCo gives them


class RayCamera:
    """Sees a MuJoCo model from one of its cameras, from a view of one's own, or (None) from its free viewpoint."""

    def __init__(
        self, model: mujoco.MjModel, width: int = 64, height: int = 64, camera: str | View | None = None
    ) -> None:
        self._model, self._scene = model, mujoco.MjData(model)
        self.size = (height, width)
        self._camera = model.camera(camera).id if isinstance(camera, str) else None
        self._fixed = camera if isinstance(camera, View) else _free_view(model)
        self._fading = FADING / max(1.0, model.stat.extent / ROOM)
        self._groups = VISIBLE_GROUPS
        self._colors = _geom_colors(model)
        self._aim: View | None = None
        self.factors: Factors = TRAIN
        """Of variation, which the next pictures will show."""
        self._directions = np.zeros((width * height, 3))

    def render(self, data: mujoco.MjData, markers: Sequence[Marker] = ()) -> np.ndarray:
        """An image [height, width, 3] uint8 of the present state, which is left as it is."""
        view = self._follow(data)
        hit = self._cast(view.position, self._directions)
        if hit.normal is not None:
            shade = AMBIENT + (1 - AMBIENT) * np.abs(hit.normal @ LIGHT)
        else:
            shade = np.exp(-self._fading * hit.distance)
        shade[hit.geom < 0] = 1.0
        image = self._colors[hit.geom] * shade[:, None].astype(np.float32)
        for marker in markers:
            self._draw(image, hit, marker, view.position)
        return self._finished(image)

    def depth(self, data: mujoco.MjData, farthest: float) -> np.ndarray:
        """Distances [height, width] float32 in metres along the rays; `farthest` where a ray hits nothing nearer."""
        hit = self._cast(self._follow(data).position, self._directions)
        distance = np.where(hit.geom < 0, farthest, hit.distance)
        return np.minimum(distance, farthest).astype(np.float32).reshape(self.size)

    def _draw(self, image: np.ndarray, hit: Hits, marker: Marker, eye: np.ndarray) -> None:
        """Paint a ball where it stands before everything else; what is drawn hides what is drawn behind it later."""
        centre = np.asarray(marker.position) - eye
        distance, seen = ball_hits(self._directions, centre, marker.radius)
        seen &= (hit.geom < 0) | (distance < hit.distance)
        facing = np.abs((self._directions[seen] * distance[seen, None] - centre) @ LIGHT) / marker.radius
        image[seen] = 255 * np.asarray(marker.color) * (AMBIENT + (1 - AMBIENT) * facing)[:, None]
        hit.distance[seen], hit.geom[seen] = distance[seen], np.maximum(hit.geom[seen], 0)

    def _finished(self, image: np.ndarray) -> np.ndarray:
        """Colours [rays, 3] in [0, 255] as a picture, varied as `factors` say."""
        if self.factors != TRAIN:
            image = paint(image, self.factors)
        picture: np.ndarray = image.astype(np.uint8).reshape(*self.size, 3)
        return picture

    def project(self, points: np.ndarray) -> np.ndarray:
        """Where points [..., 3] (m) stand in the last picture: [..., 2], fractions of its width and height.

        NaN behind the camera.
        """
        view, (height, width) = self._view(), self.size
        local = (points - view.position) @ view.rotation
        ahead = np.where(local[..., 2] < 0, -local[..., 2], np.nan)
        reach = np.tan(np.deg2rad(view.fovy) / 2) * ahead
        x, y = local[..., 0] / (reach * width / height), local[..., 1] / reach
        return np.stack([(1 + x) / 2, (1 - y) / 2], axis=-1)

    def _follow(self, data: mujoco.MjData) -> View:
        """Take on the state of `data`, and aim the rays of the picture; returns where they come from."""
        model, scene = self._model, self._scene
        # After a step or a restore, positions of geoms lag behind the state. They are brought up to date elsewhere, for
        # some environments read them before they step, and would go on differently for having been looked at.
        scene.qpos[:], scene.mocap_pos[:], scene.mocap_quat[:] = data.qpos, data.mocap_pos, data.mocap_quat
        mujoco.mj_kinematics(model, scene)
        mujoco.mj_comPos(model, scene)
        mujoco.mj_camlight(model, scene)
        view = self._view()
        if self._aim is None or self._aim.fovy != view.fovy or not np.array_equal(self._aim.rotation, view.rotation):
            self._aim = view._replace(rotation=view.rotation.copy())
            self._directions = _rays(*self.size, view)
        return view

    def _cast(self, origin: np.ndarray, directions: np.ndarray) -> Hits:
        """What rays from one point along unit directions [R, 3] hit first."""
        rays = len(directions)
        hits = Hits(np.zeros(rays, np.int32), np.zeros(rays), np.zeros((rays, 3)) if _GIVES_NORMALS else None)
        mujoco.mj_multiRay(
            self._model,
            self._scene,
            origin,
            directions.reshape(-1),
            self._groups,
            1,  # static geoms are seen too
            -1,  # no body is excluded
            hits.geom,
            hits.distance,
            *(() if hits.normal is None else (hits.normal.reshape(-1),)),
            rays,
            CUTOFF,
        )
        return hits

    def _view(self) -> View:
        view = self._fixed
        if self._camera is not None:
            rotation = self._scene.cam_xmat[self._camera].reshape(3, 3)
            view = View(self._scene.cam_xpos[self._camera], rotation, float(self._model.cam_fovy[self._camera]))
        return view if self.factors == TRAIN else View(*place(*view, self._model.stat.center, self.factors))


def ball_hits(directions: np.ndarray, centre: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Distances [R] along unit directions [R, 3] to a ball around `centre` [3], and which of them reach it [R]."""
    along = directions @ centre  # [R] m, to the point of each ray that is nearest to the centre
    inside = radius**2 - (centre @ centre - along**2)
    distance = along - np.sqrt(np.maximum(inside, 0.0))
    return distance, (inside > 0) & (distance > 0)


def _rays(height: int, width: int, view: View) -> np.ndarray:
    """Unit directions [height * width, 3] in the world, row by row from the upper left."""
    reach = np.tan(np.deg2rad(view.fovy) / 2)
    right = (2 * (np.arange(width) + 0.5) / width - 1) * reach * width / height
    up = (1 - 2 * (np.arange(height) + 0.5) / height) * reach
    x, y = np.meshgrid(right, up)
    rays = np.stack([x, y, -np.ones_like(x)], axis=-1).reshape(-1, 3)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    return np.ascontiguousarray(rays @ view.rotation.T)


def _free_view(model: mujoco.MjModel) -> View:
    """From MuJoCo's own default viewpoint: the whole model, from the side and above."""
    turn, tilt = np.deg2rad(model.vis.global_.azimuth), np.deg2rad(model.vis.global_.elevation)
    ahead = np.array([np.cos(tilt) * np.cos(turn), np.cos(tilt) * np.sin(turn), np.sin(tilt)])
    right = np.array([np.sin(turn), -np.cos(turn), 0.0])
    position = model.stat.center - 1.5 * model.stat.extent * ahead
    return View(position, np.stack([right, np.cross(right, ahead), -ahead], axis=1), float(model.vis.global_.fovy))


def _geom_colors(model: mujoco.MjModel) -> np.ndarray:
    """RGB [geoms + 1, 3] float32 in [0, 255]; the last row, which index -1 finds, is the sky."""
    rgb = model.geom_rgba[:, :3].copy()
    if model.nmat:
        # A geom takes its material's colour unless it has one of its own (MuJoCo's default is half grey).
        plain = (model.geom_matid >= 0) & np.all(model.geom_rgba == [0.5, 0.5, 0.5, 1], axis=1)
        rgb[plain] = model.mat_rgba[model.geom_matid[plain], :3]
    return (np.concatenate([rgb, [SKY]]) * 255).astype(np.float32)
