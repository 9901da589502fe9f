"""HDF5 files and Minari folders that mean harm or were harmed: what is done to a sound one, by name, and at random.

Beside every file lies `outside/`, with a sound file and its numbers as bare bytes, that nobody may read.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.formats.harm import Harm, linked, piped

Edit = Callable[[h5py.File], object]

STEPS, EPISODES = 6, 3
MAIN = "data/main_data.hdf5"
HUGE = 10**10


def robomimic(path: Path) -> Path:
    """A sound file of vectors and a camera."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        told = {"env_name": "Lift", "env_kwargs": {"control_freq": 20}}
        file.create_group("data").attrs["env_args"] = json.dumps(told)
        for e in range(EPISODES):
            demo = file.create_group(f"data/demo_{e}")
            demo["actions"], demo["rewards"] = rng.uniform(-1, 1, (STEPS, 2)), np.zeros(STEPS)
            demo["obs/eef"] = rng.normal(size=(STEPS, 3))
            demo["obs/cam"] = rng.integers(0, 255, (STEPS, 8, 8, 3), np.uint8)
    return path


def minari(folder: Path) -> Path:
    """A sound folder, as Minari writes it."""
    rng = np.random.default_rng(0)
    (folder / "data").mkdir(parents=True)
    with h5py.File(folder / MAIN, "w") as file:
        for e in range(EPISODES):
            episode = file.create_group(f"episode_{e}")
            episode.attrs["id"], episode.attrs["total_steps"] = e, STEPS
            episode["observations"], episode["actions"] = (
                rng.normal(size=(STEPS + 1, 3)),
                rng.uniform(-1, 1, (STEPS, 2)),
            )
            episode["rewards"], episode["terminations"] = np.zeros(STEPS), np.zeros(STEPS, bool)
            episode["truncations"] = np.arange(STEPS) == STEPS - 1
    told = {"total_episodes": EPISODES, "data_format": "hdf5", "dataset_id": "toy-v0"}
    (folder / "data/metadata.json").write_text(json.dumps(told))
    return folder


def lay_bait(path: Path) -> None:
    """What lies outside, as good as what is inside."""
    folder = path.parent / "outside"
    folder.mkdir()
    shutil.copy(path if path.is_file() else path / MAIN, folder / "bait.hdf5")
    np.arange(1000.0).tofile(folder / "bait.raw")


def edited(edit: Edit) -> Harm:
    """A change inside a file that stays one."""

    def harm(path: Path) -> None:
        with h5py.File(path if path.is_file() else path / MAIN, "r+") as file:
            edit(file)

    return harm


def put(place: str, make: Callable[[h5py.Group, str], object]) -> Harm:
    """Something else in place of what is there."""

    def edit(file: h5py.File) -> None:
        if place in file:
            del file[place]
        above, _, name = place.rpartition("/")
        make(file.require_group(above or "/"), name)

    return edited(edit)


def values(array: Any) -> Callable[[h5py.Group, str], object]:
    return lambda group, name: group.create_dataset(name, data=array)


def never_written(*shape: int, dtype: Any = "f8", **told: Any) -> Callable[[h5py.Group, str], object]:
    return lambda group, name: group.create_dataset(name, shape, dtype, **told)


def link(target: Any) -> Callable[[h5py.Group, str], object]:
    def make(group: h5py.Group, name: str) -> None:
        group[name] = target

    return make


def outside_storage(path: str) -> Callable[[h5py.Group, str], object]:
    return lambda group, name: group.create_dataset(name, (STEPS, 3), "f8", external=[(path, 0, STEPS * 24)])


def view(path: str, place: str) -> Callable[[h5py.Group, str], object]:
    def make(group: h5py.Group, name: str) -> None:
        layout = h5py.VirtualLayout((STEPS, 3), "f8")
        layout[:] = h5py.VirtualSource(path, place, (STEPS, 3))
        group.create_virtual_dataset(name, layout)

    return make


def view_without_end(path: str, place: str) -> Callable[[h5py.Group, str], object]:
    """Whose length is that of the other file's array, so that to ask for it is to open that."""

    def make(group: h5py.Group, name: str) -> None:
        layout = h5py.VirtualLayout((STEPS, 3), "f8", maxshape=(None, 3))
        source = h5py.VirtualSource(path, place, (STEPS, 3), maxshape=(None, 3))
        layout[0 : h5py.h5s.UNLIMITED] = source[0 : h5py.h5s.UNLIMITED]
        group.create_virtual_dataset(name, layout)

    return make


def deep(levels: int) -> Callable[[h5py.Group, str], object]:
    def make(group: h5py.Group, name: str) -> None:
        group = group.create_group(name)
        for _ in range(levels):
            group = group.create_group("a")
        group["end"] = np.zeros((STEPS, 2))

    return make


def circle(group: h5py.Group, name: str) -> None:
    """A group that holds itself, many times."""
    inner = group.create_group(name)
    for i in range(20):
        inner[f"again_{i}"] = inner


def crowd(count: int, of: str) -> Edit:
    def edit(file: h5py.File) -> None:
        group = file["data"]
        one = group[of.format(0)]
        for i in range(EPISODES, count):
            group[of.format(i)] = one

    return edit


def attribute(name: str, value: Any, of: str = "data") -> Harm:
    def edit(file: h5py.File) -> None:
        if name in file[of].attrs:
            del file[of].attrs[name]
        file[of].attrs.create(name, value)

    return edited(edit)


def bytes_of(change: Callable[[bytes], bytes]) -> Harm:
    def harm(path: Path) -> None:
        path = path if path.is_file() else path / MAIN
        path.write_bytes(change(path.read_bytes()))

    return harm


def metadata(text: str | bytes) -> Harm:
    data = text.encode() if isinstance(text, str) else text
    return lambda folder: (folder / "data/metadata.json").write_bytes(data)


def told(**changes: Any) -> Harm:
    def harm(folder: Path) -> None:
        path = folder / "data/metadata.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return harm


EEF, CAM, ACTIONS, REWARDS = "data/demo_1/obs/eef", "data/demo_1/obs/cam", "data/demo_1/actions", "data/demo_1/rewards"
VLEN = h5py.vlen_dtype(np.float64)
BOMB = "[" * 100_000

LEADING_OUT: dict[str, Harm] = {
    "an external link to vectors": put(EEF, link(h5py.ExternalLink("outside/bait.hdf5", EEF))),
    "an external link to a demo": put("data/demo_1", link(h5py.ExternalLink("outside/bait.hdf5", "data/demo_1"))),
    "an external link to obs": put("data/demo_0/obs", link(h5py.ExternalLink("outside/bait.hdf5", "data/demo_0/obs"))),
    "an external link to data": put("data", link(h5py.ExternalLink("outside/bait.hdf5", "data"))),
    "an external link to /etc/passwd": put(EEF, link(h5py.ExternalLink("/etc/passwd", "/"))),
    "a soft link": put(EEF, link(h5py.SoftLink("/data/demo_0/obs/eef"))),
    "a soft link in a circle": put(EEF, link(h5py.SoftLink("/data/demo_1/obs/eef"))),
    "a soft link to nothing": put(ACTIONS, link(h5py.SoftLink("/nowhere"))),
    "a soft link through an external one": edited(
        lambda file: [
            file.__setitem__("out", h5py.ExternalLink("outside/bait.hdf5", "/")),
            file.__delitem__(EEF),
            file.__setitem__(EEF, h5py.SoftLink(f"/out/{EEF}")),
        ]
    ),
    "external storage": put(EEF, outside_storage("outside/bait.raw")),
    "external storage of /etc/passwd": put(EEF, outside_storage("/etc/passwd")),
    "external storage of actions": put(ACTIONS, outside_storage("outside/bait.raw")),
    "a view of another file": put(EEF, view("outside/bait.hdf5", EEF)),
    "a view of its own file": put(EEF, view(".", "data/demo_0/obs/eef")),
    "a view without end": put(EEF, view_without_end("outside/bait.hdf5", EEF)),
    "a view as rewards": put(REWARDS, view("outside/bait.hdf5", REWARDS)),
}
"""What would read outside; a refusal says which link, view or storage it is."""

OF_HDF5: dict[str, Harm] = {
    **LEADING_OUT,
    "vectors never written, 10^10 rows": put(EEF, never_written(HUGE, 3, chunks=(1000, 3))),
    "vectors never written, contiguous": put(EEF, never_written(HUGE, 3)),
    "a camera never written": put(CAM, never_written(10**7, 64, 64, 3, dtype="u1", chunks=(1, 64, 64, 3))),
    "actions never written": put("data/demo_0/actions", never_written(HUGE, 2, chunks=(1000, 2))),
    "rewards never written": put(REWARDS, never_written(HUGE, chunks=(1000,))),
    "zeros packed by the thousand": put(
        EEF, never_written(10**8, 3, chunks=(10**6, 3), compression="gzip", fillvalue=0)
    ),
    "10^18 columns": put(EEF, never_written(STEPS, 10**18, chunks=(1, 1000))),
    "no rows": put(EEF, values(np.zeros((0, 3)))),
    "no columns": put("data/demo_0/obs/eef", values(np.zeros((STEPS, 0)))),
    "no dimension": put(EEF, values(3.0)),
    "nothing at all": put(EEF, values(h5py.Empty("f8"))),
    "seven dimensions": put("data/demo_0/obs/eef", values(np.zeros((STEPS, 1, 1, 1, 1, 1, 1)))),
    "text": put(EEF, values(["word"] * STEPS)),
    "text as actions": put(ACTIONS, values(["word"] * STEPS)),
    "text as rewards": put(REWARDS, values(["word"] * STEPS)),
    "vectors of any length": put(EEF, never_written(STEPS, dtype=VLEN)),
    "actions of any length": put("data/demo_0/actions", never_written(STEPS, dtype=VLEN)),
    "compounds": put(EEF, values(np.zeros(STEPS, [("a", "f4"), ("b", "i4")]))),
    "compounds as actions": put(ACTIONS, values(np.zeros(STEPS, [("a", "f4"), ("b", "i4")]))),
    "references": put(EEF, never_written(STEPS, dtype=h5py.ref_dtype)),
    "opaque bytes": put(EEF, values(np.zeros(STEPS, "V8"))),
    "complex numbers": put(EEF, values(np.zeros((STEPS, 3), complex))),
    "nans": put(EEF, values(np.full((STEPS, 3), np.nan))),
    "infinite actions": put(ACTIONS, values(np.full((STEPS, 2), np.inf))),
    "nans as rewards": put(REWARDS, values(np.full(STEPS, np.nan))),
    "numbers beyond single precision": put(EEF, values(np.full((STEPS, 3), 1e300))),
    "a filter that nobody has": lambda path: unknown_filter(path),
    "groups a thousand deep": put("data/demo_0/obs/a", deep(1000)),
    "groups in a circle": put("data/demo_0/obs/a", circle),
    "obs in a circle": edited(lambda file: file["data/demo_0/obs"].__setitem__("self", file["data/demo_0/obs"])),
    "a demo that is data": edited(lambda file: file["data"].__setitem__("demo_9", file["data"])),
    "2,000 vectors": edited(
        lambda file: [file.__setitem__(f"data/demo_0/obs/v{i}", np.zeros(STEPS)) for i in range(2000)]
    ),
    "1,000 demos of 60 MiB that nobody wrote": edited(lambda file: _empty_crowd(file)),
    "250,000 demos": edited(crowd(250_000, "demo_{}")),
    "an array in place of data": put("data", values(np.zeros(3))),
    "an array in place of a demo": put("data/demo_0", values(np.zeros(3))),
    "an array in place of obs": put("data/demo_0/obs", values(np.zeros((STEPS, 3)))),
    "a group in place of vectors": put(EEF, deep(1)),
    "a group in place of actions": put(ACTIONS, deep(1)),
    "a type in place of vectors": put(EEF, link(np.dtype("f8"))),
    "no demos": edited(lambda file: [file["data"].__delitem__(name) for name in list(file["data"])]),
    "no data": edited(lambda file: file.__delitem__("data")),
    "names of bytes": edited(lambda file: file["data/demo_0/obs"].__setitem__(b"\xff\xfe", np.zeros(STEPS))),
    "a name that steers the terminal": put("data/demo_0/obs/\x1b[2J\n", values(np.zeros(STEPS))),
    "a camera whose name leads out": put("data/demo_0/obs/..\\..", values(np.zeros((STEPS, 8, 8, 3), np.uint8))),
    "a name of 10^5 letters": edited(
        lambda file: file["data/demo_0/obs"].__setitem__("x" * 60_000, np.zeros((STEPS, 8, 8, 3), np.uint8))
    ),
    "a demo whose name steers the terminal": put("data/\x1b[31mdemo", deep(1)),
    "a demo with a number of 10^4 digits": put("data/demo_" + "9" * 10_000, deep(1)),
    "two cameras of two sizes": put(CAM, values(np.zeros((STEPS, 16, 8, 3), np.uint8))),
    "a camera without pixels": put("data/demo_0/obs/cam", values(np.zeros((STEPS, 0, 8, 3), np.uint8))),
    "a camera of one pixel row of 10^6": put("data/demo_0/obs/cam", values(np.zeros((STEPS, 1, 10**6, 3), np.uint8))),
    "env_args nested 10^5 deep": attribute("env_args", BOMB),
    "env_args of 10^7 letters": edited(lambda file: _dense(file, json.dumps({"env_name": "x" * 10**7}))),
    "env_args a number": attribute("env_args", 3),
    "env_args an array": attribute("env_args", np.zeros(100)),
    "env_args bytes": attribute("env_args", np.bytes_(b"\xff\xfe{")),
    "env_args a list": attribute("env_args", "[1, 2]"),
    "env_args empty": attribute("env_args", h5py.Empty("S1")),
    "a rate that is no number": attribute("env_args", '{"env_kwargs": {"control_freq": NaN}}'),
    "a rate of 10^400": attribute("env_args", '{"env_kwargs": {"control_freq": ' + "9" * 400 + "}}"),
    "a rate that is a mapping": attribute("env_args", '{"env_kwargs": {"control_freq": {}}}'),
    "a name that is a mapping": attribute("env_args", '{"env_name": {}, "env_kwargs": {"control_freq": 20}}'),
    "success that is text": attribute("success", "yes", "data/demo_0"),
    "success that is an array": attribute("success", np.zeros(5), "data/demo_0"),
    "cut in half": bytes_of(lambda content: content[: len(content) // 2]),
    "cut after the first line": bytes_of(lambda content: content[:100]),
    "empty": bytes_of(lambda content: b""),
    "no HDF5": bytes_of(lambda content: b"hello"),
    "a megabyte of noise behind the signature": bytes_of(
        lambda content: content[:8] + random.Random(0).randbytes(1 << 20)
    ),
}

OBSERVED, ACTED = "episode_1/observations", "episode_1/actions"
OF_MINARI: dict[str, Harm] = {
    "the file as a link": linked(MAIN, "outside/bait.hdf5"),
    "the file as a link to /etc/passwd": linked(MAIN, "/etc/passwd"),
    "the metadata as a link": linked("data/metadata.json", "/etc/passwd"),
    "data as a link": linked("data", "outside"),
    "the file as a pipe": piped(MAIN),
    "the metadata as a pipe": piped("data/metadata.json"),
    "an external link to observations": put(OBSERVED, link(h5py.ExternalLink("../../outside/bait.hdf5", OBSERVED))),
    "an external link to an episode": put("episode_1", link(h5py.ExternalLink("../../outside/bait.hdf5", "episode_1"))),
    "external storage": put(OBSERVED, outside_storage("../../outside/bait.raw")),
    "a view of another file": put(OBSERVED, view("../../outside/bait.hdf5", OBSERVED)),
    "observations never written": put(OBSERVED, never_written(HUGE, 3, chunks=(1000, 3))),
    "actions never written": put(ACTED, never_written(HUGE, 2, chunks=(1000, 2))),
    "text as observations": put(OBSERVED, values(["word"] * (STEPS + 1))),
    "bytes of any length that are no images": edited(lambda file: _ragged(file, OBSERVED)),
    "an observation too few": put(OBSERVED, values(np.zeros((STEPS, 3)))),
    "actions that are text": put(ACTED, values(["word"] * STEPS)),
    "no rewards": edited(lambda file: file.__delitem__("episode_1/rewards")),
    "no terminations": edited(lambda file: file.__delitem__("episode_1/terminations")),
    "no observations": edited(lambda file: file.__delitem__(OBSERVED)),
    "an episode left out": edited(lambda file: file.__delitem__("episode_1")),
    "groups in a circle": put(OBSERVED, circle),
    "metadata nested 10^5 deep": metadata(BOMB),
    "metadata a list": metadata("[]"),
    "metadata bytes": metadata(b"\xff\xfe"),
    "metadata empty": metadata(""),
    "10^11 episodes": told(total_episodes=10**11),
    "minus one episode": told(total_episodes=-1),
    "episodes as text": told(total_episodes="three"),
    "a format that nobody has": told(data_format="pickle"),
    "a format that is a list": told(data_format=["hdf5"]),
    "a format that leads out": told(data_format="../../outside"),
    "an environment of code": told(env_spec=json.dumps({"id": "Evil-v0", "entry_point": "os:abort"})),
    "an environment nested 10^5 deep": told(env_spec=BOMB),
    "a description that steers the terminal": told(description="\x1b[2J\x1b]0;owned\x07"),
    "arrow that is not there": told(data_format="arrow"),
    "cut in half": bytes_of(lambda content: content[: len(content) // 2]),
}


def at_random(path: Path, seed: int) -> None:
    """Some bytes of a file changed, or a piece of it cut out."""
    path, rng = path if path.is_file() else path / MAIN, random.Random(seed)
    content = bytearray(path.read_bytes())
    if rng.random() < 0.2:
        start = rng.randrange(len(content))
        del content[start : start + rng.randrange(1, 500)]
    for _ in range(rng.choice([1, 3, 30])):
        # Descriptions lie at the front, numbers behind: most harm is done to the former.
        content[int(len(content) * rng.random() ** 3)] = rng.randrange(256)
    path.write_bytes(content)


def unknown_filter(path: Path) -> None:
    """Vectors packed by LZF, under a number that no filter has."""
    put(EEF, lambda group, name: group.create_dataset(name, data=np.zeros((STEPS, 3)), compression="lzf"))(path)
    content = bytearray(path.read_bytes())
    name = content.index(b"lzf\x00")  # its number stands 8 bytes before its name
    content[name - 8 : name - 6] = (32_123).to_bytes(2, "little")
    path.write_bytes(content)


def _empty_crowd(file: h5py.File) -> None:
    rows = 3 << 20
    for name in list(file["data"]):
        del file["data"][name]
    one = file.create_group("data/demo_0")
    never_written(rows, 2, chunks=(1000, 2))(one, "actions")
    never_written(rows, 2, chunks=(1000, 2))(one, "obs/eef")
    for i in range(1, 1000):
        file[f"data/demo_{i}"] = one


def _dense(file: h5py.File, text: str) -> None:
    del file["data"].attrs["env_args"]
    file["data"].attrs["env_args"] = text


def _ragged(file: h5py.File, place: str) -> None:
    del file[place]
    made = file.create_dataset(place, (STEPS + 1,), h5py.vlen_dtype(np.uint8))
    for i in range(STEPS + 1):
        made[i] = np.arange(i + 1, dtype=np.uint8)
