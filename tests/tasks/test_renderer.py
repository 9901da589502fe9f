"""Pictures for people by OpenGL: in processes of their own, so that no GL library is loaded into the tests'."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from wm_lab.errors import UserError
from wm_lab.tasks import renderer
from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.renderer import choose_renderer, probe

DRAW = """
import sys
import numpy as np
from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.overlay import Line, Overlay

task = HandTask(HandConfig(goal="push", observation="pixels"))
task.reset(seed=3)
lines = [Line(np.array([[-0.1, 0.1, 0.2], [0.1, 0.1, 0.2]]))]
ghost = task.state() + np.float32(0.08)
found = {"seen by rays": task.restore(task.snapshot())["pixels"]}
for name in ("rays", "osmesa"):
    task.renderer = name
    found[name] = task.render()
    found[f"{name}, small"] = task.render((64, 48), "front")
    found[f"{name}, ghost"] = task.render(overlay=Overlay(ghost=ghost))
    found[f"{name}, lines"] = task.render(overlay=Overlay(lines=lines))
found["seen"] = task.restore(task.snapshot())["pixels"]
np.savez(sys.argv[1], **found)
"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    if (complaint := probe("osmesa")) is not None:
        pytest.skip(f"no OSMesa: {complaint}")
    file = tmp_path_factory.mktemp("drawn") / "pictures.npz"
    subprocess.run([sys.executable, "-c", DRAW, str(file)], check=True)
    with np.load(file) as pictures:
        return dict(pictures)


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of grey levels."""
    return float(np.corrcoef(one.mean(-1).ravel(), other.mean(-1).ravel())[0, 1])


@pytest.mark.parametrize("kind", ["", ", small", ", ghost", ", lines"])
def test_opengl_shows_what_rays_show(drawn: dict[str, np.ndarray], kind: str) -> None:
    ours, rays = drawn[f"osmesa{kind}"], drawn[f"rays{kind}"]
    assert ours.shape == rays.shape and ours.dtype == np.uint8
    assert (ours != rays).any() and alike(ours, rays) > 0.95


def test_opengl_shows_the_goal_a_ghost_and_lines_where_rays_show_them(drawn: dict[str, np.ndarray]) -> None:
    for picture in drawn["osmesa"], drawn["rays"]:
        red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
        assert ((red > green + 60) & (blue > green + 60)).sum() > 20  # the goal is magenta
    for kind in ", ghost", ", lines":
        changed = [np.abs(drawn[name + kind].astype(int) - drawn[name]).sum(-1) > 60 for name in ("osmesa", "rays")]
        assert (changed[0] & changed[1]).sum() > 0.5 * changed[1].sum() > 20


def test_models_see_rays_whoever_draws_for_people(drawn: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(drawn["seen"], drawn["seen by rays"])


def test_rays_are_the_default_and_ask_for_no_gl_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderer, "probe", lambda library: pytest.fail("probed"))
    assert choose_renderer("rays") == HandTask(HandConfig()).renderer == "rays"


def test_a_wish_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match=r"unknown renderer 'openGL'; did you mean opengl"):
        choose_renderer("openGL")


def test_without_a_gl_library_one_sentence_says_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(renderer, "probe", {"egl": "no display", "osmesa": "no library"}.get)
    with pytest.raises(UserError) as told:
        choose_renderer("opengl")
    assert "tried egl (no display), osmesa (no library); apt-get install libosmesa6" in str(told.value)
    assert "renderer=rays" in str(told.value)


def test_egl_that_fails_is_told_by_its_own_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe's own process is asked for a device that no machine has."""
    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setenv("MUJOCO_EGL_DEVICE_ID", "999")
    probe.cache_clear()
    with pytest.raises(UserError, match=r"^renderer=opengl finds no GL library that draws: tried egl \(.+\); ") as told:
        choose_renderer("opengl")
    assert "\n" not in str(told.value) and "osmesa (" not in str(told.value)
    probe.cache_clear()


def test_the_first_library_that_draws_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(renderer, "probe", {"egl": "no display"}.get)
    assert choose_renderer("opengl") == "osmesa"


def test_a_library_that_needs_a_screen_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    with pytest.raises(UserError, match="found MUJOCO_GL=glfw; unset it"):
        choose_renderer("opengl")


def test_a_probe_that_hangs_is_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderer, "PROBE", "import time; time.sleep(60)")
    monkeypatch.setattr(renderer, "PATIENCE", 1.0)
    probe.cache_clear()
    assert probe("osmesa") == "no picture within 1 s"
    probe.cache_clear()


KEPT = """
import sys
import weakref
import mujoco
from wm_lab.tasks.gl_camera import GLCamera
from wm_lab.tasks.raycast import View

weakref.finalize(View, print)  # whoever registers first is called last at the end
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
view = View.towards((0.0, 0.0, 0.0), eye=(4.0, 0.0, 0.0))
kept = [GLCamera(sys.argv[1], model, 32, 24, view) for _ in range(2)]
kept[0].render(mujoco.MjData(model))
"""


@pytest.mark.parametrize("library", ["egl", "osmesa"])
def test_a_process_that_still_holds_cameras_ends_in_silence(library: str) -> None:
    if (complaint := probe(library)) is not None:
        pytest.skip(f"no {library}: {complaint}")
    done = subprocess.run([sys.executable, "-c", KEPT, library], capture_output=True, text=True, check=True)
    assert not done.stderr
