"""Clips of played episodes: what they show, that they are made once, and that a page holds them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageSequence

from tests.exercises.hand_lab import changed, settings
from wm_lab.evaluation.manifest import freeze
from wm_lab.experiment.arms import SIMULATOR, PlanningArm, scripted_arms
from wm_lab.experiment.evaluations import _clip
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.filming import Cameraman, quoted
from wm_lab.experiment.planning_policy import TRUE_COST
from wm_lab.experiment.shown import Shown, load, save
from wm_lab.reports.moving import as_gif, save_moving, titled
from wm_lab.reports.page import write_page


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return Experiment(changed(settings(), tmp_path_factory.mktemp("store")))


def test_an_arm_leaves_a_clip_of_what_it_solved_and_of_what_it_failed_and_makes_them_once(
    experiment, monkeypatch, capsys
):
    manifest = freeze(experiment.task_spec, 3)
    expert, _, noop = scripted_arms()
    for arm, name in ((expert, "expert solved"), (noop, "noop failed")):
        experiment.evaluations.play(arm, manifest, 2)
        (clip,) = experiment.evaluations.clips(arm, manifest, 2)
        assert clip.name == name and clip.path.is_relative_to(experiment.settings.store)
        assert f"film {arm.name}: done: 1/1" in capsys.readouterr().err, "it takes a while"
        with Image.open(clip.path) as moving:
            frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(moving)]
        assert len(frames) > 3 and frames[0].shape == (180, 240, 3)
    monkeypatch.setattr(experiment.tools.workers, "map", None)
    assert experiment.evaluations.clips(noop, manifest, 2) == [clip]


def test_the_same_play_by_another_name_has_pictures_that_say_that_name(experiment):
    manifest, arm = freeze(experiment.task_spec, 2), scripted_arms()[0]
    experiment.evaluations.play(arm, manifest, 2)
    one, other = (experiment.evaluations.clips(replace(arm, name=name), manifest, 2) for name in (arm.name, "selected"))
    assert len(one) == len(other) > 0 and not {clip.path for clip in one} & {clip.path for clip in other}


def test_clips_that_another_renderer_draws_lie_apart(experiment, monkeypatch):
    manifest, arm, tools = freeze(experiment.task_spec, 3), scripted_arms()[0], experiment.tools
    experiment.evaluations.play(arm, manifest, 2)
    (rays,) = experiment.evaluations.clips(arm, manifest, 2)
    drawn = []
    monkeypatch.setattr(tools, "settings", replace(tools.settings, renderer="osmesa"))
    monkeypatch.setattr(
        tools.workers, "map", lambda build, every, **how: drawn.extend(build.args) or [None for _ in every]
    )
    assert experiment.evaluations.clips(arm, manifest, 2) == [] and drawn[-1] == "osmesa"
    monkeypatch.undo()
    assert experiment.evaluations.clips(arm, manifest, 2) == [rays]


def test_the_plan_of_a_planner_is_a_line_in_the_picture(experiment, monkeypatch):
    drawn = []
    arm = PlanningArm("simulator", experiment.settings.with_objective(TRUE_COST), SIMULATOR)
    manifest = freeze(experiment.task_spec, 1)
    experiment.evaluations.play(arm, manifest, 0)
    render = type(experiment.task).render
    monkeypatch.setattr(
        type(experiment.task),
        "render",
        lambda self, *a, overlay=None, **k: (drawn.append(overlay), render(self, *a, **k))[1],
    )
    (clip,) = experiment.evaluations.clips(arm, manifest, 0)
    lines = [overlay.lines for overlay in drawn if overlay is not None]
    assert "plan" in clip.alt and all(len(line) == 1 for line in lines)
    assert lines[0][0].points.shape == (1 + experiment.settings.planner["horizon"], 3)


def test_the_subgoal_that_is_pursued_is_a_ghost_in_the_picture_and_in_the_caption(experiment, tmp_path):
    task, arm = experiment.task, scripted_arms()[0]
    task.reset(seed=3)
    there = np.stack([task.state() + np.float32(shift) for shift in (0.02, 0.04)])
    plain = Shown(3, np.zeros(9, bool), np.zeros((9, 7)), np.zeros(0), np.zeros((0, 0, 0)))
    led = replace(plain, asked=np.array([0, 5]), subgoals=there)
    assert [np.flatnonzero((there == led.subgoal(step)).all(1))[0] for step in (0, 4, 5)] == [0, 0, 1]
    save([led], tmp_path)
    np.testing.assert_array_equal(load(tmp_path)[0].subgoal(8), there[1])
    film = Cameraman(experiment.tools.make_task, arm)
    ours, bare = film(led), film(plain)
    assert all((a != b).any() for a, b in zip(ours.frames, bare.frames, strict=True))
    unreal = film(replace(led, subgoals=np.full_like(there, np.nan)))
    np.testing.assert_array_equal(unreal.frames, bare.frames)
    told = [_clip("subgoal_oracle", shown, tmp_path, "") for shown in (led, plain)]
    assert ["translucent: its sub-goal" in clip.caption for clip in told] == [True, False]


def test_a_page_begins_with_clips_says_what_is_seen_and_stays_small(experiment, tmp_path, monkeypatch):
    manifest = freeze(experiment.task_spec, 3)
    arm = scripted_arms()[0]
    experiment.evaluations.play(arm, manifest, 2)
    clips = experiment.evaluations.clips(arm, manifest, 2)
    html = write_page(tmp_path / "a.html", "t", verdicts=["The answer.", "And more."], clips=clips).read_text()
    assert html.index("The answer.") < html.index("data:image/") < html.index("And more.")
    assert 'alt="The robot, led by expert' in html and "data:image/" in html
    monkeypatch.setattr("wm_lab.reports.page.MOST_BYTES", 10)
    assert "data:image/" not in write_page(tmp_path / "b.html", "t", clips=clips).read_text()


def test_a_moving_picture_becomes_a_gif_for_whoever_takes_no_webp(tmp_path):
    frames = [np.full((8, 8, 3), shade, np.uint8) for shade in (0, 120, 255)]
    with Image.open(as_gif(save_moving(frames, tmp_path / "a", 100.0), tmp_path)) as gif:
        assert (gif.format, gif.n_frames) == ("GIF", 3)


def test_what_an_episode_was_told_stands_in_its_picture_and_stays_with_it(experiment, tmp_path):
    frame = np.zeros((180, 240, 3), np.uint8)
    plain, told = (titled(frame, "bc, step 3", said=said) for said in ("", '"Take the blue block to the purple zone."'))
    changed = np.flatnonzero((plain != told).any((1, 2)))
    assert changed.min() > 120 and (told[: changed.min()] == plain[: changed.min()]).all()
    own = experiment.task_spec.instruction
    episodes = [
        Shown(0, np.ones(2, bool), np.zeros((2, 7)), np.zeros(0), np.zeros((0, 0, 0)), said) for said in ("", own, None)
    ]
    assert [quoted(experiment.task, shown) for shown in episodes] == ["(told nothing)", "", ""]
    for shown in episodes:
        save([shown], tmp_path)
        assert load(tmp_path)[0].told == shown.told
