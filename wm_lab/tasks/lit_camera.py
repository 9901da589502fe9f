"""A camera under a lamp: shadows say how high things are and whether they touch, and edges are smooth.

A second set of rays, from the lamp to everything that is seen, finds what lies in shadow. What never moves is looked at
once: later pictures cast rays only where something that moves may be, or may throw a shadow. Only pixels on an edge are
looked at more than once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import mujoco
import numpy as np

from wm_lab.tasks.light import SHADOW_GAP, WITHIN_PIXEL, brightness, edges, lengths, normals, screen_normals
from wm_lab.tasks.raycast import VISIBLE_GROUPS, Marker, RayCamera, View, ball_hits

ROOM = 1.5  # pixels around what moves that are looked at anew: their edges change with it
AWAY = 1e6  # m, where what moves is put while the rest is looked at


class Seen(NamedTuple):
    """What R rays show."""

    color: np.ndarray  # [R, 3] in [0, 255]
    geom: np.ndarray  # [R], -1: nothing
    hits: np.ndarray  # [R, 3] m
    normal: np.ndarray  # [R, 3]
    label: np.ndarray  # [R] int, changes across edges

    def put(self, there: np.ndarray, other: Seen) -> Seen:
        """A copy with the rays `there` [K] replaced by the K of another."""
        merged = Seen(*(part.copy() for part in self))
        for mine, its in zip(merged, other, strict=True):
            mine[there] = its
        return merged


class Backdrop(NamedTuple):
    """The picture of what never moves."""

    view: View
    seen: Seen
    from_lamp: np.ndarray  # [R, 3], unit directions from the lamp to the hits


class LitCamera(RayCamera):
    """As `RayCamera`, under a lamp at a point (m), high over what it lights; without geoms of a hidden group."""

    def __init__(
        self,
        model: mujoco.MjModel,
        width: int,
        height: int,
        camera: str | View | None = None,
        lamp: Sequence[float] | None = None,
        hidden_group: int | None = None,
    ) -> None:
        super().__init__(model, width, height, camera)
        if hidden_group is not None:
            self._groups = VISIBLE_GROUPS.copy()
            self._groups[hidden_group] = 0
        above = model.stat.center + np.array([-0.3, 0.2, 3.0]) * model.stat.extent
        self._lamp = above if lamp is None else np.asarray(lamp, float)
        free = (model.body_weldid[model.geom_bodyid] != 0) | (model.body_mocapid[model.geom_bodyid] >= 0)
        self._moving = np.flatnonzero(free)
        self._backdrop: Backdrop | None = None

    def render(self, data: mujoco.MjData, markers: Sequence[Marker] = ()) -> np.ndarray:
        return self._finished(self._image(data, markers))

    def _image(self, data: mujoco.MjData, markers: Sequence[Marker]) -> np.ndarray:
        """Colours [H * W, 3] in [0, 255]."""
        view = self._follow(data)
        still = self._still(view)
        eye = still.view.position
        balls = np.array([(*marker.position, marker.radius) for marker in markers]).reshape(-1, 4)
        changed = self._may_hit(eye, self._directions, balls) | self._may_hit(self._lamp, still.from_lamp, balls)
        there = np.flatnonzero(changed)
        if not len(there):
            return still.seen.color.copy()
        seen = still.seen.put(there, self._look(eye, self._directions[there], markers))
        if self._guess_normals(seen, eye, there):
            again = self._look(eye, self._directions[there], markers, seen.normal[there])
            seen = still.seen.put(there, again)
        return self._smooth(seen, eye, markers, changed)

    def _still(self, view: View) -> Backdrop:
        """The backdrop of a view, made anew where the camera has moved."""
        if self._backdrop is None or not _same(self._backdrop.view, view):
            view = View(view.position.copy(), view.rotation.copy(), view.fovy)
            where = self._scene.geom_xpos[self._moving].copy()
            self._scene.geom_xpos[self._moving] = AWAY
            seen = self._look(view.position, self._directions, ())
            everywhere = np.arange(len(self._directions))
            if self._guess_normals(seen, view.position, everywhere):
                seen = self._look(view.position, self._directions, (), seen.normal)
            seen.color[:] = self._smooth(seen, view.position, (), np.ones(len(everywhere), bool))
            self._scene.geom_xpos[self._moving] = where
            self._backdrop = Backdrop(view, seen, _unit(seen.hits - self._lamp))
        return self._backdrop

    def _may_hit(self, origin: np.ndarray, directions: np.ndarray, balls: np.ndarray) -> np.ndarray:
        """Which rays along unit directions [R, 3] pass near what moves or through balls [M, 4], [R] bool."""
        model, moving = self._model, self._moving
        radii = model.geom_rbound[moving]
        centres = np.concatenate([self._scene.geom_xpos[moving], balls[:, :3]]) - origin
        reach = np.concatenate([np.where(radii > 0, radii, np.inf), balls[:, 3]])
        far = lengths(centres)
        angle = np.arcsin(np.minimum(reach / far, 1.0)) + ROOM * self._pixel
        found: np.ndarray = (directions @ (centres / far[:, None]).T >= np.cos(angle)).any(axis=1)
        return found

    def _smooth(self, seen: Seen, eye: np.ndarray, markers: Sequence[Marker], changed: np.ndarray) -> np.ndarray:
        """The colours, with the mean over four rays for pixels that changed and lie on an edge."""
        image = seen.color
        rough = np.flatnonzero(edges(seen.label.reshape(self.size)).ravel() & changed)
        if len(rough):
            count = len(WITHIN_PIXEL)
            finer = self._look(eye, self._within(rough), markers, np.repeat(seen.normal[rough], count, axis=0))
            image[rough] = finer.color.reshape(len(rough), count, 3).mean(axis=1)
        return image

    def _within(self, pixels: np.ndarray) -> np.ndarray:
        """Unit directions [P * 4, 3] of rays through four places within each of P pixels."""
        assert self._aim is not None
        height, width = self.size
        step = self._pixel
        row, column = np.divmod(pixels, width)
        x = ((column + 0.5 - width / 2)[:, None] + WITHIN_PIXEL[:, 0]) * step
        y = ((height / 2 - row - 0.5)[:, None] + WITHIN_PIXEL[:, 1]) * step
        rays = _unit(np.stack([x, y, -np.ones_like(x)], axis=-1).reshape(-1, 3))
        return np.ascontiguousarray(rays @ self._aim.rotation.T)

    @property
    def _pixel(self) -> float:
        """Height of a pixel, in distances from the eye."""
        assert self._aim is not None
        return float(2 * np.tan(np.deg2rad(self._aim.fovy) / 2) / self.size[0])

    def _look(
        self, eye: np.ndarray, directions: np.ndarray, markers: Sequence[Marker], meshes: np.ndarray | None = None
    ) -> Seen:
        """What rays from the eye along unit directions [R, 3] show.

        meshes: normals [R, 3] of surfaces whose shape does not tell them; None: they come out as zero.
        """
        found = self._cast(eye, directions)
        hits = eye + directions * np.where(found.geom < 0, 1.0, found.distance)[:, None]
        normal = found.normal
        if normal is None:
            normal = normals(self._model, self._scene, found.geom, hits)
            if meshes is not None:
                unknown = _no_normal(found.geom, normal)
                normal[unknown] = meshes[unknown]
        lit = self._lit(hits, markers)
        shade = brightness(normal, self._lamp - hits, lit)
        shade[found.geom < 0] = 1.0
        color = self._colors[found.geom] * shade[:, None].astype(np.float32)
        # Faces of one box differ in their brightest direction.
        label = (
            16 * (found.geom.astype(int) + 1) + 8 * (lit > 0.5) + np.rint(3 * normal @ (0.27, 0.53, 0.8)).astype(int)
        )
        label[found.geom < 0] = 0
        for number, marker in enumerate(sorted(markers, key=lambda ball: -np.linalg.norm(ball.position - eye)), 1):
            seen = self._blend(color, found.distance, found.geom, directions, eye, marker)
            label += 100_000 * number * seen
        return Seen(color, found.geom, hits, normal, label)

    def _guess_normals(self, seen: Seen, eye: np.ndarray, there: np.ndarray) -> bool:
        """Fill in normals that shapes do not tell from neighbours in the picture; returns whether there are any."""
        unknown = there[_no_normal(seen.geom[there], seen.normal[there])]
        if not len(unknown):
            return False
        guessed = screen_normals(seen.hits.reshape(*self.size, 3), eye, seen.geom.reshape(self.size))
        seen.normal[unknown] = guessed.reshape(-1, 3)[unknown]
        return True

    def _lit(self, hits: np.ndarray, markers: Sequence[Marker]) -> np.ndarray:
        """How much of the lamp points [R, 3] see, [R] in [0, 1]."""
        away = hits - self._lamp
        far = lengths(away)
        away /= far[:, None]
        nearest = self._cast(self._lamp, away).distance
        lit: np.ndarray = ((nearest < 0) | (nearest >= far - SHADOW_GAP)).astype(float)
        for marker in markers:
            distance, between = ball_hits(away, np.asarray(marker.position) - self._lamp, marker.radius)
            lit[between & (distance < far)] *= 1.0 - marker.opacity
        return lit

    def _blend(
        self,
        color: np.ndarray,
        distance: np.ndarray,
        geom: np.ndarray,
        directions: np.ndarray,
        eye: np.ndarray,
        marker: Marker,
    ) -> np.ndarray:
        """Paint a ball over what stands behind it; returns where it is seen, [R] bool."""
        centre = np.asarray(marker.position) - eye
        reached, seen = ball_hits(directions, centre, marker.radius)
        seen &= (geom < 0) | (reached < distance)
        surface = directions[seen] * reached[seen, None]
        lit = np.ones(len(surface))
        shade = brightness((surface - centre) / marker.radius, self._lamp - eye - surface, lit)
        color[seen] += marker.opacity * (255 * np.asarray(marker.color) * shade[:, None] - color[seen])
        return seen


def _no_normal(geom: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Where something was hit whose shape does not tell its normal, [R] bool."""
    found: np.ndarray = (geom >= 0) & (np.einsum("rk,rk->r", normal, normal) == 0)
    return found


def _same(one: View, other: View) -> bool:
    return (
        one.fovy == other.fovy
        and np.array_equal(one.position, other.position)
        and np.array_equal(one.rotation, other.rotation)
    )


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vectors / lengths(vectors)[:, None]
    return unit
