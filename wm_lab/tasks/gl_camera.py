"""Pictures for people by MuJoCo's own OpenGL renderer, with the textures and the lights of the model.

It shows what rays show, from the same places: geoms, goals and ghosts; no sites, which some libraries leave where an
earlier goal was. `mujoco.Renderer` takes the GL library that MuJoCo was imported with; this takes the one it is given.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import mujoco
import numpy as np
from mujoco import mjtCatBit, mjtDepthMap, mjtFramebuffer, mjtGeom, mjtRndFlag, mjtVisFlag

from wm_lab.tasks.lit_camera import OPACITY, PALE, LitCamera
from wm_lab.tasks.overlay import Line, draw_lines
from wm_lab.tasks.raycast import SKY, Marker, View

SHADOW_SIDE = 2048  # pixels of the map that shadows are read from
MOST_GEOMS = 10_000  # of a scene
AMBIENT, DIFFUSE, GLOSS = 0.5, 0.45, 0.1  # of the lamp: about as bright as where rays are cast
CONE = 45.0  # degrees from its axis that the lamp reaches
FINER = 2  # rows and columns of a picture's pixel, for smooth edges by any library


class GLCamera(LitCamera):
    """As `LitCamera`, drawn with a GL library: "egl" or "osmesa". Needs one thread to stay with."""

    def __init__(
        self,
        library: str,
        model: mujoco.MjModel,
        width: int,
        height: int,
        camera: str | View | None = None,
        lamp: Sequence[float] | None = None,
        hidden_group: int | None = None,
    ) -> None:
        super().__init__(model, width, height, camera, lamp, hidden_group)
        self.renderer = library
        self._rect = mujoco.MjrRect(0, 0, FINER * width, FINER * height)
        self._gl = _context_class(library)(self._rect.width, self._rect.height)
        self._gl.make_current()
        with _offscreen(model, self._rect):
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._context.readDepthMap = mjtDepthMap.mjDEPTH_ZEROFAR
        # At the end of the process MuJoCo closes the display itself, before anything of ours could be freed on it.
        weakref.finalize(self, _free, self._gl, self._context).atexit = False
        self._drawn = mujoco.MjvScene(model, MOST_GEOMS)
        self._drawn.flags[mjtRndFlag.mjRND_SKYBOX] = 0
        self._choice = mujoco.MjvOption()
        self._choice.geomgroup[:], self._choice.sitegroup[:] = self._groups, 0
        for flag in (mjtVisFlag.mjVIS_TENDON, mjtVisFlag.mjVIS_RANGEFINDER):
            self._choice.flags[flag] = 0

    def picture(
        self,
        data: mujoco.MjData,
        markers: Sequence[Marker] = (),
        ghost: mujoco.MjData | None = None,
        lines: Sequence[Line] = (),
    ) -> np.ndarray:
        view = self._follow(data)
        nobody = mujoco.MjvPerturb()
        free = mujoco.MjvCamera()
        everything = mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self._model, self._scene, self._choice, nobody, free, everything, self._drawn)
        for marker in markers:
            self._mark(marker)
        if ghost is not None:
            self._add_ghost(ghost)
        self._stand(view)
        self._light()
        picture = self._finished(self._read())
        return draw_lines(picture, lines, [self.project(line.points) for line in lines]) if lines else picture

    def _mark(self, marker: Marker) -> None:
        ball = self._drawn.geoms[self._drawn.ngeom]
        color = np.array([*marker.color, marker.opacity], np.float32)
        mujoco.mjv_initGeom(
            ball, mjtGeom.mjGEOM_SPHERE, np.full(3, marker.radius), np.array(marker.position), np.eye(3).ravel(), color
        )
        ball.transparent = marker.opacity < 1
        self._drawn.ngeom += 1

    def _add_ghost(self, ghost: mujoco.MjData) -> None:
        """What moves on joints once more, pale and translucent, where another state has it."""
        first = self._drawn.ngeom
        self._follow(ghost)
        dynamic = mjtCatBit.mjCAT_DYNAMIC
        mujoco.mjv_addGeoms(self._model, self._scene, self._choice, mujoco.MjvPerturb(), dynamic, self._drawn)
        for geom in self._drawn.geoms[first : self._drawn.ngeom]:
            geom.rgba[:3] = PALE + (1 - PALE) * geom.rgba[:3]
            geom.rgba[3] = OPACITY * (geom.objid in self._jointed)
            geom.transparent = 1

    def _stand(self, view: View) -> None:
        """See from a view, whatever the scene's cameras are."""
        near, far = (getattr(self._model.vis.map, name) * self._model.stat.extent for name in ("znear", "zfar"))
        reach = near * np.tan(np.deg2rad(view.fovy) / 2)
        for eye in self._drawn.camera:  # of the left and of the right eye
            eye.pos, eye.forward, eye.up = view.position, -view.rotation[:, 2], view.rotation[:, 1]
            eye.frustum_center, eye.frustum_width, eye.orthographic = 0.0, 0.0, 0
            eye.frustum_bottom, eye.frustum_top = -reach, reach
            eye.frustum_near, eye.frustum_far = near, far

    def _light(self) -> None:
        """The lamp alone, and what light there is all around."""
        lamp, around = self._drawn.lights[0], self._drawn.lights[1]
        beam = self._model.stat.center - self._lamp
        for light in (lamp, around):
            light.pos, light.dir = self._lamp, beam / np.linalg.norm(beam)
            light.headlight, light.directional = 0, 0
            light.attenuation, light.cutoff, light.exponent = (1.0, 0.0, 0.0), CONE, 0.0
            light.ambient = light.diffuse = light.specular = (0.0,) * 3
        lamp.castshadow, around.castshadow = 1, 0
        lamp.diffuse, lamp.specular, around.ambient = (DIFFUSE,) * 3, (GLOSS,) * 3, (AMBIENT,) * 3
        around.directional = 1
        self._drawn.nlight = 2

    def _read(self) -> np.ndarray:
        """Colours [H * W, 3] in [0, 255] of the scene, before the sky where nothing stands."""
        self._gl.make_current()
        height, width = self._rect.height, self._rect.width
        color, depth = np.empty((height, width, 3), np.uint8), np.empty((height, width), np.float32)
        mujoco.mjr_render(self._rect, self._drawn, self._context)
        mujoco.mjr_readPixels(color, depth, self._rect, self._context)
        image = np.where(depth[..., None] > 0, color, 255 * np.array(SKY, np.float32))
        rows, columns = self.size
        whole = image[::-1].reshape(rows, FINER, columns, FINER, 3)
        mean: np.ndarray = whole.mean(axis=(1, 3)).reshape(-1, 3)
        return mean


def _context_class(library: str) -> Any:
    """MuJoCo's, which is freed once: freeing it again where Python ends would find its library gone, and say so."""
    return type("GLContext", (import_module(f"mujoco.{library}").GLContext,), {"__del__": lambda self: None})


@contextmanager
def _offscreen(model: mujoco.MjModel, rect: mujoco.MjrRect) -> Iterator[None]:
    """Inside, a new context takes buffers of this size from the model, without samples between its pixels."""
    wanted = (
        (model.vis.global_, {"offwidth": rect.width, "offheight": rect.height}),
        (model.vis.quality, {"offsamples": 0, "shadowsize": SHADOW_SIDE}),
    )
    before = [{name: getattr(part, name) for name in values} for part, values in wanted]
    try:
        for part, values in wanted:
            for name, value in values.items():
                setattr(part, name, value)
        yield
    finally:
        for (part, _), values in zip(wanted, before, strict=True):
            for name, value in values.items():
                setattr(part, name, value)


def _free(gl: Any, context: mujoco.MjrContext) -> None:
    gl.make_current()
    context.free()
    gl.free()
