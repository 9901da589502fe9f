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
from wm_lab.tasks.overlay import RAYS, Line, draw_lines
from wm_lab.tasks.raycast import VISIBLE_GROUPS, Marker, RayCamera, View, ball_hits

ROOM = 1.5  # pixels around what moves that are looked at anew: their edges change with it
OPACITY = 0.55  # of a ghost
PALE = 0.35  # share of white in its colours
AWAY = 1e6  # m, where what moves is put while the rest is looked at


class Met(NamedTuple):
    """What R rays meet."""

    geom: np.ndarray  # [R], -1: nothing
    distance: np.ndarray  # [R] m
    hits: np.ndarray  # [R, 3] m
    normal: np.ndarray  # [R, 3], zero where a shape does not tell its own
    lit: np.ndarray  # [R] in [0, 1], how much of the lamp it sees


class Backdrop(NamedTuple):
    """The picture of what never moves."""

    view: View
    color: np.ndarray  # [R, 3] in [0, 255]
    label: np.ndarray  # [R] int, changes across edges
    found: Met
    from_lamp: np.ndarray  # [R, 3], unit directions from the lamp to the hits


class LitCamera(RayCamera):
    """As `RayCamera`, under a lamp at a point (m), high over what it lights; without geoms of a hidden group."""

    renderer = RAYS

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
        self.chosen = camera
        if hidden_group is not None:
            self._groups = VISIBLE_GROUPS.copy()
            self._groups[hidden_group] = 0
        above = model.stat.center + np.array([-0.3, 0.2, 3.0]) * model.stat.extent
        self._lamp = above if lamp is None else np.asarray(lamp, float)
        led = model.body_mocapid[model.body_rootid[model.geom_bodyid]] >= 0  # such as goals
        jointed = (model.body_weldid[model.geom_bodyid] != 0) & ~led
        self._moving, self._jointed = np.flatnonzero(jointed | led), np.flatnonzero(jointed)
        self._backdrop: Backdrop | None = None

    def render(self, data: mujoco.MjData, markers: Sequence[Marker] = ()) -> np.ndarray:
        return self.picture(data, markers)

    def picture(
        self,
        data: mujoco.MjData,
        markers: Sequence[Marker] = (),
        ghost: mujoco.MjData | None = None,
        lines: Sequence[Line] = (),
    ) -> np.ndarray:
        """An image [height, width, 3] uint8; what moves on joints is drawn once more, as a ghost."""
        image = self._image(data, markers)
        if ghost is not None:
            self._haunt(image, ghost)
        picture = self._finished(image)
        return draw_lines(picture, lines, [self.project(line.points) for line in lines]) if lines else picture

    def _haunt(self, image: np.ndarray, ghost: mujoco.MjData) -> None:
        """Blend what moves in another state into colours [H * W, 3], whatever stands before it."""
        eye = self._follow(ghost).position.copy()
        there = np.flatnonzero(self._may_hit(eye, self._directions, np.zeros((0, 4))))
        if not len(there):
            return
        count = len(WITHIN_PIXEL)
        found = self._find(eye, self._within(there), ())
        found.normal[_no_normal(found)] = self._back()
        moves = np.isin(found.geom, self._jointed)[:, None]
        shade = brightness(found.normal, self._lamp - found.hits, np.ones(len(found.hits)))[:, None]
        color = moves * (PALE * 255.0 + (1 - PALE) * self._colors[found.geom] * shade)
        moves, color = moves.reshape(len(there), count, 1), color.reshape(len(there), count, 3)
        cover = OPACITY * moves.mean(axis=1)
        mixed = color.sum(axis=1) / np.maximum(moves.sum(axis=1), 1)
        image[there] += cover * (mixed - image[there])

    def _back(self) -> np.ndarray:
        """The direction [3] towards the viewer."""
        assert self._aim is not None
        return self._aim.rotation[:, 2]

    def _image(self, data: mujoco.MjData, markers: Sequence[Marker]) -> np.ndarray:
        """Colours [H * W, 3] in [0, 255]."""
        still = self._still(self._follow(data))
        eye = still.view.position
        balls = np.array([(*marker.position, marker.radius) for marker in markers]).reshape(-1, 4)
        changed = self._may_hit(eye, self._directions, balls) | self._may_hit(self._lamp, still.from_lamp, balls)
        there = np.flatnonzero(changed)
        found = self._find(eye, self._directions[there], markers)
        self._guess_normals(found, still.found, eye, there)
        color, label, normal = still.color.copy(), still.label.copy(), still.found.normal.copy()
        color[there], label[there] = self._shade(found, self._directions[there], eye, markers)
        normal[there] = found.normal
        return self._smooth(color, label, normal, eye, markers, changed)

    def _still(self, view: View) -> Backdrop:
        """The backdrop of a view, made anew where the camera has moved."""
        if self._backdrop is None or not _same(self._backdrop.view, view):
            view = View(view.position.copy(), view.rotation.copy(), view.fovy)
            where = self._scene.geom_xpos[self._moving].copy()
            self._scene.geom_xpos[self._moving] = AWAY
            found, everywhere = self._find(view.position, self._directions, ()), np.arange(len(self._directions))
            self._guess_normals(found, found, view.position, everywhere)
            color, label = self._shade(found, self._directions, view.position, ())
            color = self._smooth(color, label, found.normal, view.position, (), np.ones(len(everywhere), bool))
            self._scene.geom_xpos[self._moving] = where
            self._backdrop = Backdrop(view, color, label, found, _unit(found.hits - self._lamp))
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

    def _smooth(
        self,
        color: np.ndarray,
        label: np.ndarray,
        normal: np.ndarray,
        eye: np.ndarray,
        markers: Sequence[Marker],
        changed: np.ndarray,
    ) -> np.ndarray:
        """Colours [H * W, 3], with the mean over four rays for pixels that changed and lie on an edge."""
        rough = np.flatnonzero(edges(label.reshape(self.size)).ravel() & changed)
        if len(rough):
            count, within = len(WITHIN_PIXEL), self._within(rough)
            found = self._find(eye, within, markers)
            unknown = _no_normal(found)
            found.normal[unknown] = np.repeat(normal[rough], count, axis=0)[unknown]
            finer, _ = self._shade(found, within, eye, markers)
            color[rough] = finer.reshape(len(rough), count, 3).mean(axis=1)
        return color

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

    def _find(self, eye: np.ndarray, directions: np.ndarray, markers: Sequence[Marker]) -> Met:
        """What rays from the eye along unit directions [R, 3] meet."""
        met = self._cast(eye, directions)
        hits = eye + directions * np.where(met.geom < 0, 1.0, met.distance)[:, None]
        normal = normals(self._model, self._scene, met.geom, hits) if met.normal is None else met.normal
        return Met(met.geom, met.distance, hits, normal, self._lit(hits, markers))

    def _shade(
        self, found: Met, directions: np.ndarray, eye: np.ndarray, markers: Sequence[Marker]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Colours [R, 3] in [0, 255] of what was met, with the markers before it, and labels [R]."""
        geom, normal, nothing = found.geom, found.normal, found.geom < 0
        shade = brightness(normal, self._lamp - found.hits, found.lit)
        shade[nothing] = 1.0
        color = self._colors[geom] * shade[:, None].astype(np.float32)
        # Faces of one box differ in their brightest direction.
        facing = np.rint(3 * normal @ (0.27, 0.53, 0.8)).astype(int)
        label = np.where(nothing, 0, 16 * (geom.astype(int) + 1) + 8 * (found.lit > 0.5) + facing)
        for number, marker in enumerate(sorted(markers, key=lambda ball: -np.linalg.norm(ball.position - eye)), 1):
            label += 100_000 * number * self._blend(color, found, directions, eye, marker)
        return color, label

    def _guess_normals(self, found: Met, still: Met, eye: np.ndarray, there: np.ndarray) -> None:
        """Fill in normals that shapes do not tell, from neighbours in the picture: `found` at the pixels `there`."""
        unknown = _no_normal(found)
        if unknown.any():
            hits, geom = still.hits.copy(), still.geom.copy()
            hits[there], geom[there] = found.hits, found.geom
            guessed = screen_normals(hits.reshape(*self.size, 3), eye, geom.reshape(self.size)).reshape(-1, 3)
            found.normal[unknown] = guessed[there[unknown]]

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
        self, color: np.ndarray, found: Met, directions: np.ndarray, eye: np.ndarray, marker: Marker
    ) -> np.ndarray:
        """Paint a ball over what stands behind it; returns where it is seen, [R] bool."""
        centre = np.asarray(marker.position) - eye
        reached, seen = ball_hits(directions, centre, marker.radius)
        seen &= (found.geom < 0) | (reached < found.distance)
        surface = directions[seen] * reached[seen, None]
        lit = np.ones(len(surface))
        shade = brightness((surface - centre) / marker.radius, self._lamp - eye - surface, lit)
        color[seen] += marker.opacity * (255 * np.asarray(marker.color) * shade[:, None] - color[seen])
        return seen


def _no_normal(found: Met) -> np.ndarray:
    """Where something was met whose shape does not tell its normal, [R] bool."""
    unknown: np.ndarray = (found.geom >= 0) & (np.einsum("rk,rk->r", found.normal, found.normal) == 0)
    return unknown


def _same(one: View, other: View) -> bool:
    return (
        one.fovy == other.fovy
        and np.array_equal(one.position, other.position)
        and np.array_equal(one.rotation, other.rotation)
    )


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vectors / lengths(vectors)[:, None]
    return unit
