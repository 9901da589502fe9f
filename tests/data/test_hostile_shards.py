"""A dataset folder may come from anybody: whatever its manifest says, opening it ends in data or in one sentence."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from contextlib import suppress

import numpy as np
import pytest

from tests.data.toy import PointTask, ScriptedPolicy
from wm_lab.data.collect import collect
from wm_lab.data.config import DataConfig
from wm_lab.data.dataset import Dataset
from wm_lab.data.shard import MANIFEST, column_path, open_shard
from wm_lab.data_command import main
from wm_lab.errors import UserError

CONFIG = DataConfig(episodes=6)
ODD = (None, 3, -1, 1e400, "x", [], {}, [[]], [1], {"a": 1}, True, "\x1b[2J", "../../etc/passwd", 10**30, float("nan"))
SECONDS = 5


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound") / "shard"
    return collect(folder, PointTask, ScriptedPolicy, CONFIG.seeds(), CONFIG.exploration(), workers=1)


@pytest.fixture
def copied(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "shard")
    return tmp_path / "shard"


def change(folder, edit):
    manifest = json.loads((folder / MANIFEST).read_text())
    edit(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def opened(folder, capsys):
    """Look at it as a user would: exit code and what was said, after all that must hold of any folder."""
    began = time.perf_counter()
    code = main(["validate", str(folder)])
    said = [line for line in capsys.readouterr().err.splitlines() if line.strip() and not line.startswith("read:")]
    assert time.perf_counter() - began < SECONDS
    if code:
        assert code == 2 and len(said) == 1 and said[0].isprintable() and len(said[0]) < 2000
    else:
        data = Dataset.open(folder)
        assert data.spec and all(len(data.episode(i).action) for i in range(len(data)))
    return code, " ".join(said)


def places(value, at=()):
    """Every place within a manifest, as the keys that lead there."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, part in inner:
        yield from places(part, (*at, key))


def put(manifest, at, value):
    for key in at[:-1]:
        manifest = manifest[key]
    manifest[at[-1]] = value


def test_no_value_in_any_place_of_a_manifest_ends_in_a_traceback(copied, capsys):
    manifest = json.loads((copied / MANIFEST).read_text())
    everywhere, rng = [at for at in places(manifest) if at], random.Random(0)
    refused = 0
    for at in everywhere:
        changed = json.loads(json.dumps(manifest))
        put(changed, at, rng.choice(ODD))
        (copied / MANIFEST).write_text(json.dumps(changed))
        refused += opened(copied, capsys)[0] == 2
    assert refused > len(everywhere) / 2


def test_a_bit_that_is_flipped_in_a_column_s_header_is_told_or_changes_nothing(copied):
    path, header = column_path(copied, "reward"), 128
    whole, before = path.read_bytes(), open_shard(copied, None).columns["reward"].tolist()
    for place in range(header * 8):
        byte, bit = divmod(place, 8)
        path.write_bytes(whole[:byte] + bytes([whole[byte] ^ (1 << bit)]) + whole[byte + 1 :])
        with suppress(UserError):
            assert open_shard(copied, None).columns["reward"].tolist() == before, place


def lie(name, array):
    """A column with other contents, which the manifest vouches for."""

    def harm(folder):
        np.save(folder / f"{name}.npy", array)
        vouch(folder, name)

    return harm


def vouch(folder, name):
    from wm_lab.data.shard import checksum

    path = folder / f"{name}.npy"
    column = np.load(path)
    facts = {"dtype": column.dtype.str, "shape": list(column.shape), "bytes": path.stat().st_size}
    change(folder, lambda manifest: manifest["columns"].update({name: {**facts, "crc32": checksum(path)}}))


def linked(name, to):
    def harm(folder):
        (folder / name).unlink()
        (folder / name).symlink_to(to)

    return harm


def piped(name):
    def harm(folder):
        (folder / name).unlink()
        os.mkfifo(folder / name)
        if name != MANIFEST:
            change(folder, lambda manifest: manifest["columns"][name.removesuffix(".npy")].update(bytes=0))

    return harm


def claims(folder):
    """A column whose header promises 10^12 rows."""
    with (folder / "reward.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (10**12,)})
    size = (folder / "reward.npy").stat().st_size
    facts = {"dtype": "<f4", "shape": [10**12], "bytes": size, "crc32": "0"}
    change(folder, lambda manifest: manifest["columns"].update(reward=facts))


def outside(folder):
    """A column whose name leads out, to one that is there."""
    shutil.copy(folder / "reward.npy", folder.parent / "secret.npy")
    change(folder, lambda m: m["columns"].update({"../secret": m["columns"]["reward"]}))


ROWS, EPISODES = 6 * 21, 6
HARM = {
    "a column whose name leads out": outside,
    "a column as a link": linked("reward.npy", "/etc/passwd"),
    "the manifest as a link": linked(MANIFEST, "/etc/passwd"),
    "a column as a pipe": piped("reward.npy"),
    "the manifest as a pipe": piped(MANIFEST),
    "10^12 rows": claims,
    "nested 10^5 deep": lambda folder: (folder / MANIFEST).write_text("[" * 100_000),
    "offsets beyond the end": lie("episode.offset", np.arange(EPISODES) * 10**12),
    "offsets below 0": lie("episode.offset", -np.arange(EPISODES)),
    "lengths below 0": lie("episode.length", np.full(EPISODES, -5, np.int32)),
    "lengths of 2^31": lie("episode.length", np.full(EPISODES, 2**31 - 1, np.int32)),
    "no episodes": lie("episode.length", np.zeros(0, np.int32)),
    "lengths as numbers with a point": lie("episode.length", np.full(EPISODES, 20.0)),
    "an unknown behaviour": lie("episode.behaviour", np.full(EPISODES, 99, np.int16)),
    "a behaviour below 0": lie("episode.behaviour", np.full(EPISODES, -1, np.int16)),
    "actions of another width": lie("action", np.zeros((ROWS, 3), np.float32)),
    "actions as text": lie("action", np.full((ROWS, 2), "x")),
    "a row of actions too few": lie("action", np.zeros((ROWS - 1, 2), np.float32)),
    "states of another width": lie("observation.state", np.zeros((ROWS, 2), np.float32)),
    "states without a width": lie("observation.state", np.zeros(ROWS, np.float32)),
    "flags as numbers": lie("success", np.zeros(ROWS)),
    "times as rewards": lie("reward", np.zeros(ROWS, "M8[s]")),
}


@pytest.mark.parametrize("name", HARM)
def test_harm_is_told_in_one_sentence(copied, capsys, name):
    HARM[name](copied)
    code, said = opened(copied, capsys)
    assert code == 2, said


def test_a_run_refuses_such_a_folder_too(copied):
    from wm_lab.data.recording import RecordedTask, RecordedTaskConfig
    from wm_lab.errors import UserError

    HARM["offsets beyond the end"](copied)
    with pytest.raises(UserError, match="do not follow one another"):
        RecordedTask(RecordedTaskConfig(path=str(copied)))
