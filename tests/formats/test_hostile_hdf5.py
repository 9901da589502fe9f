"""No HDF5 file and no Minari folder, whatever was done to it, ends in a traceback, is read outside itself or leaves
anything behind."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest

pytest.importorskip("h5py", reason="HDF5 files need h5py: pip install 'wm_lab[hdf5]'")

from tests.formats.hostile_hdf5 import LEADING_OUT, OF_HDF5, OF_MINARI, Harm, at_random, lay_bait, minari, robomimic
from wm_lab.data_command import main

SECONDS, MEBIBYTES = 5, 1024
"""That one import may cost."""

RANDOM = 40
"""Files harmed at random in the suite; a campaign of more: `at_random` with other seeds."""


def attempt(place: Path, kind: str, harm: Harm, capsys) -> tuple[int, str]:
    """Import a harmed recording: exit code and sentence, after all that must hold of any."""
    path = robomimic(place / "lift.hdf5") if kind == "robomimic" else minari(place / "toy-v0")
    lay_bait(path)
    harm(path)
    before = {found.relative_to(place) for found in place.rglob("*")}
    capsys.readouterr()
    peak, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    rate = ["--hz", "20"] if kind == "minari" else []
    code = main(["import", str(path), str(place / "ours"), "--image-size", "8", *rate])
    took, grew = time.perf_counter() - began, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
    said = [line for line in capsys.readouterr().err.splitlines() if line.strip() and not line.startswith("import:")]
    assert took < SECONDS and grew < MEBIBYTES
    after = {found.relative_to(place) for found in place.rglob("*")}
    if code == 0:
        assert {found.parts[0] for found in after - before} == {"ours"}
    else:
        assert code == 2 and len(said) == 1 and said[0].startswith("wm-lab-data: ") and after == before
        assert len(said[0]) < 2000 and said[0].isprintable()
    return code, " ".join(said)


READ = {
    *("two cameras of two sizes", "a camera without pixels", "a camera of one pixel row of 10^6"),
    *("a name that is a mapping", "success that is text", "success that is an array"),
    *("an environment of code", "an environment nested 10^5 deep", "a description that steers the terminal"),
}
"""What does no harm, and is read."""


@pytest.mark.parametrize("name", OF_HDF5)
def test_harm_is_told_in_one_sentence_and_leaves_nothing(tmp_path, capsys, name):
    code, said = attempt(tmp_path, "robomimic", OF_HDF5[name], capsys)
    assert code == (0 if name in READ else 2), said
    if name in LEADING_OUT:
        assert any(word in said for word in ("a link to", "external storage", "virtual dataset"))


@pytest.mark.parametrize("name", OF_MINARI)
def test_harm_of_minari_is_told_in_one_sentence_and_leaves_nothing(tmp_path, capsys, name):
    code, said = attempt(tmp_path, "minari", OF_MINARI[name], capsys)
    assert code == (0 if name in READ else 2), said
    if "as a link" in name and name != "data as a link":
        assert "outside its dataset's folder" in said


@pytest.mark.parametrize("seed", range(RANDOM))
def test_chance_does_no_better(tmp_path, capsys, seed):
    attempt(tmp_path, ("robomimic", "minari")[seed % 2], lambda path: at_random(path, seed), capsys)
