"""Who draws pictures for people: cast rays, or MuJoCo's own OpenGL where it is seen to work.

Whether a GL library works is found out in a process of its own, since one that does not may end the process that asks.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import mujoco

from wm_lab.errors import UserError, unknown
from wm_lab.tasks.gl_camera import GLCamera
from wm_lab.tasks.lit_camera import LitCamera
from wm_lab.tasks.overlay import RAYS
from wm_lab.tasks.raycast import Marker, View

OPENGL = "opengl"
LIBRARIES = ("egl", "osmesa")  # they need no screen
CHOSEN = "MUJOCO_GL"  # environment variable by which MuJoCo's users choose one
PATIENCE = 60.0  # s, for the one picture of a probe
PROBE = "import sys; from wm_lab.tasks.renderer import draw_once; sys.exit(draw_once(sys.argv[1]))"


def choose_renderer(wish: str) -> str:
    """ "rays"; for "opengl" the GL library that works here, "egl" or "osmesa". UserError where none does."""
    if wish == RAYS:
        return RAYS
    if wish != OPENGL:
        raise unknown("renderer", wish, (RAYS, OPENGL))
    chosen = os.environ.get(CHOSEN, "").strip().lower()
    if chosen and chosen not in LIBRARIES:
        raise UserError(
            f"renderer=opengl draws without a screen, by {' or '.join(LIBRARIES)}; found {CHOSEN}={chosen}; "
            f"unset it, or set renderer={RAYS}"
        )
    said = {}
    for library in (chosen,) if chosen else LIBRARIES:
        if (complaint := probe(library)) is None:
            return library
        said[library] = complaint
    tried = ", ".join(f"{library} ({complaint})" for library, complaint in said.items())
    raise UserError(
        f"renderer=opengl finds no GL library that draws: tried {tried}; apt-get install libosmesa6, install a driver "
        f"with EGL, or set renderer={RAYS}"
    )


@cache
def probe(library: str) -> str | None:
    """What a process says last that fails to draw one picture with this library; None where it draws."""
    try:
        done = subprocess.run([sys.executable, "-c", PROBE, library], capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return f"no picture within {PATIENCE:.0f} s"
    lines = [line for line in (done.stdout or done.stderr).splitlines() if line.strip()]
    if done.returncode == 0:
        return None
    return lines[-1].strip() if lines else f"ended with exit code {done.returncode}"


def draw_once(library: str) -> int:
    """The probe: draw a red ball. Returns the exit code; says in one line on standard output what went wrong."""
    try:
        model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
        camera = GLCamera(library, model, 32, 24, View.towards((0.0, 0.0, 0.0), eye=(4.0, 0.0, 0.0)))
        red, green, blue = camera.render(mujoco.MjData(model), [Marker((2.0, 0.0, 0.0), 0.5, (1.0, 0.0, 0.0))])[12, 16]
        if red < 100 or green > 60 or blue > 60:
            raise ValueError(f"a red ball came out in RGB {red}, {green}, {blue}")
    except Exception as error:  # anything may come of a GL library
        print(" ".join(f"{type(error).__name__}: {error}".split()))
        return 1
    return 0


def people_camera(
    now: LitCamera | None,
    renderer: str,
    model: mujoco.MjModel,
    size: tuple[int, int],
    camera: str | View | None,
    lamp: tuple[float, float, float] | None = None,
    hidden_group: int | None = None,
) -> LitCamera:
    """The camera `now` where it is the one asked for, or a new one; size: (width, height)."""
    if now is not None and now.size == size[::-1] and now.chosen is camera and now.renderer == renderer:
        return now
    if renderer == RAYS:
        return LitCamera(model, *size, camera, lamp, hidden_group)
    return GLCamera(renderer, model, *size, camera, lamp, hidden_group)
