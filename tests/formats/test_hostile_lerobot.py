"""No LeRobot folder, whatever was done to it, ends in a traceback, is read outside itself or leaves anything behind."""

from __future__ import annotations

import resource
import shutil
import time
from pathlib import Path

import pytest

from tests.formats.hostile_lerobot import OF_IMAGES, OF_VIDEOS, Harm, at_random, lay_bait
from tests.formats.recording import write
from wm_lab.data_command import main

SECONDS, MEBIBYTES = 5, 1024
"""That one folder may cost."""

RANDOM = 40
"""Folders harmed at random in the suite; a campaign of more: `at_random` with other seeds."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> dict[bool, Path]:
    """A folder of videos and one of images, each with what must not be read beside it."""
    made = {}
    for stills in (False, True):
        made[stills] = write(tmp_path_factory.mktemp("sound") / "arm", stills=stills)
        lay_bait(made[stills])
    return made


def attempt(sound: Path, place: Path, harm: Harm, capsys, *words: str) -> tuple[int, str]:
    """Import the harmed folder: exit code and sentence, after all that must hold of any."""
    shutil.copytree(sound.parent, place / "there")
    folder, target = place / "there/arm", place / "ours"
    harm(folder)
    before = {path.relative_to(place) for path in place.rglob("*")}
    capsys.readouterr()
    peak, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    code = main(["import", str(folder), str(target), *words])
    took, grew = time.perf_counter() - began, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
    said = [line for line in capsys.readouterr().err.splitlines() if line.strip() and not line.startswith("import:")]
    assert took < SECONDS and grew < MEBIBYTES
    after = {path.relative_to(place) for path in place.rglob("*")}
    if code == 0:
        assert {path.parts[0] for path in after - before} == {"ours"}
    else:
        assert code == 2 and len(said) == 1 and said[0].startswith("wm-lab-data: ") and after == before
        assert len(said[0]) < 2000 and said[0].isprintable()
    return code, " ".join(said)


READ = {
    *("total_episodes null", "robot_type a mapping", "names of 10^5 groups", "our fact whose name leads out"),
    *("a picture of two sides", "actions of 1e300", "tasks null"),
}
"""What does no harm, and is read."""


@pytest.mark.parametrize("name", OF_VIDEOS)
def test_harm_is_told_in_one_sentence_and_leaves_nothing(sound, tmp_path, capsys, name):
    code, said = attempt(sound[False], tmp_path, OF_VIDEOS[name], capsys)
    assert code == (0 if name in READ else 2), said
    if "with .." in name or "absolute" in name or ("linked" in name and "circle" not in name):
        assert "outside its dataset's folder" in said


@pytest.mark.parametrize("name", OF_IMAGES)
def test_harm_of_images_is_told_in_one_sentence_and_leaves_nothing(sound, tmp_path, capsys, name):
    code, said = attempt(sound[True], tmp_path, OF_IMAGES[name], capsys)
    assert code == 2
    if "outside" in name or "absolute" in name:
        assert "outside its dataset's folder" in said


@pytest.mark.parametrize("seed", range(RANDOM))
def test_chance_does_no_better(sound, tmp_path, capsys, seed):
    attempt(sound[seed % 2 == 0], tmp_path, lambda folder: at_random(folder, seed), capsys)
