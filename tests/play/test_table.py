"""What is pressed at a table, and what is left of it."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image

from tests.play.scenes import STILL, scene, table
from wm_lab.data.dataset import Dataset
from wm_lab.errors import UserError
from wm_lab.play import recording


def said(answers):
    return " ".join(str(answer["say"]) for answer in answers if isinstance(answer, dict) and "say" in answer)


def play(at, steps=5):
    at.hear({"do": "act", "action": [0.5, 0, 0, 0, 0, 0, -1], "stamp": 1})
    return [at.hear({"do": "step"}) for _ in range(steps)]


def test_saved_episodes_are_one_dataset_of_the_lab(tmp_path):
    at = table(tmp_path)
    for steps in (5, 8):
        play(at, steps)
        assert "Saved an episode" in said(at.hear({"do": "save"}))
        at.hear({"do": "reset"})
    dataset = Dataset.open(tmp_path / "played")
    assert dataset.table.length.tolist() == [5, 8] and dataset.table.behaviour.tolist() == ["person", "person"]
    episode = dataset.episode(0)
    assert episode.action[0].tolist() == [0] * 7 and episode.action[1] == pytest.approx([0.5, 0, 0, 0, 0, 0, -1])
    assert episode.reward[0] == 0 and (episode.reward[1:] < 0).all()


def test_a_start_played_again_gives_the_episode_that_was_saved(tmp_path):
    at = table(tmp_path)
    play(at)
    at.hear({"do": "save"})
    episode = Dataset.open(tmp_path / "played").episode(0)
    task = at._session.task
    task.reset(seed=episode.seed)
    for action in episode.action[1:]:
        task.step(action)
    assert np.array_equal(task.state(), episode.state[-1])


def test_what_was_played_and_not_saved_is_kept_at_the_end(tmp_path):
    at = table(tmp_path)
    play(at)
    assert "played-unsaved" in at.close()
    assert len(Dataset.open(tmp_path / "played-unsaved")) == 1
    at.hear({"do": "save"})
    assert at.close() is None


def test_episodes_of_another_task_are_not_mixed_in(tmp_path):
    at = table(tmp_path)
    play(at)
    at.hear({"do": "save"})
    other = table(tmp_path, "task=hand/push", "model=simulator")
    play(other)
    assert "holds episodes of hand/reach" in said(other.hear({"do": "save"}))
    assert len(Dataset.open(tmp_path / "played")) == 1


def test_a_task_that_is_chosen_on_the_page_has_a_dataset_of_its_own(tmp_path):
    at = table(tmp_path)
    first = at._scene
    for folder, made in (
        ("played", first),
        ("played-2", scene("task=hand/push", "model=simulator")),
        ("played", first),
    ):
        at._sit_down(made)
        play(at)
        assert said(at.hear({"do": "save"})).endswith(f" in {tmp_path / folder}")
    assert [len(Dataset.open(tmp_path / name)) for name in ("played", "played-2")] == [2, 1]


@pytest.mark.parametrize("webp", [True, False])
def test_a_clip_shows_both_sides_with_or_without_webp(tmp_path, monkeypatch, webp):
    monkeypatch.setattr("wm_lab.play.recording.writes_webp", lambda: webp)
    monkeypatch.setattr("wm_lab.play.table.writes_webp", lambda: webp)
    at = table(tmp_path)
    play(at)
    at.hear({"do": "clip"})
    heard = ""
    while "Saved" not in heard:
        heard = said(at.tick())
        time.sleep(0.05)
    assert ("it is a GIF" in heard) is not webp
    ((_, path),) = at.clips.items()
    with Image.open(path) as film:
        assert film.n_frames == 6 and film.size[0] == 2 * film.size[1] * 4 // 3 + recording.BETWEEN


def test_a_clip_that_cannot_be_made_is_told_and_the_session_goes_on(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wm_lab.play.table.clip", full)
    at = table(tmp_path)
    play(at)
    at.hear({"do": "clip"})
    heard = ""
    while not heard:
        heard = said(at.tick())
    assert "No space left" in heard and len(at.look()) == 3


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"do": "fly"}, "does not know how to 'fly'"),
        ({"do": "act", "action": [1, 2]}, "is 7 numbers"),
        ({"do": "act", "action": "up"}, "not understood"),
        ({"do": "drive", "who": "nobody"}, "cannot drive here"),
        ({"do": "save"}, "nothing to save"),
        ({"do": "choose", "model": "gone", "planner": "cem"}, "no model gone"),
        ({"do": "speed", "times": "fast"}, "not understood"),
    ],
)
def test_a_message_that_asks_for_what_there_is_not_ends_in_a_sentence(tmp_path, message, words):
    at = table(tmp_path)
    try:
        heard = said(at.hear(message))
    except UserError as error:
        heard = str(error)
    assert words in heard
    play(at)


def test_pictures_become_smaller_where_drawing_takes_too_long(tmp_path):
    pictures = table(tmp_path)._scene.pictures
    for _ in range(80):
        pictures.took(0.05)
    largest = pictures.size
    for _ in range(60):
        pictures.took(2.0)
    smallest = pictures.size
    assert smallest < largest and pictures.truth().shape == (*smallest[::-1], 3)
    for _ in range(80):
        pictures.took(0.05)
    assert pictures.size == largest


def test_the_plans_of_the_planner_are_lines_that_begin_at_the_hand(tmp_path):
    at = table(tmp_path)
    at.hear({"do": "plans", "on": True})
    at.hear({"do": "drive", "who": "planner"})
    tcp = at._session.seen["state"][22:25]
    ((told, *_),) = [answer for answer in at.hear({"do": "step"}) if isinstance(answer, tuple)]
    plan = told["plan"]
    assert len(plan["lines"]) == len(plan["ranks"]) == 17 and len(plan["chosen"]) == 4  # candidates, and their mean
    start = at._session.task.in_picture(tcp)
    assert all(np.linalg.norm(np.subtract(line[0], start)) < 0.1 for line in plan["lines"])


def test_a_paused_session_does_not_move(tmp_path):
    at = table(tmp_path)
    assert at.tick() == []
    at.hear({"do": "pause", "on": False})
    assert len(at.tick()) == 1
    at.rest()
    assert at.tick() == [] and STILL.tolist() == at._held.tolist()
