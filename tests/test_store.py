"""The store builds each artifact once, survives being killed, and never returns something half made."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from wm_lab.errors import UserError
from wm_lab.store import Store
from wm_lab.training import checkpoint

RECIPE = {"name": "hand/push", "seed": 3, "sizes": (64, 64), "rate": 3e-4}


def write_a_file(folder: Path) -> None:
    (folder / "weights.bin").write_bytes(b"weights")


def refuse_to_build(folder: Path) -> None:
    raise AssertionError("this artifact exists already and must not be built again")


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never appeared"
        time.sleep(0.01)


def start_building(store: Store, recipe: dict, folder: Path) -> subprocess.Popen[str]:
    """A process on a machine called node-a that has kept one step of a model, and would take long for the next."""
    script = """
        import json, socket, sys, time
        from wm_lab.store import Store
        socket.gethostname = lambda: "node-a"
        def build(folder):
            (folder / "step-1").write_text("kept")
            (folder / "started").touch()
            time.sleep(60)
        Store(sys.argv[1]).get("model", json.loads(sys.argv[2]), build)
    """
    builder = start(script, folder, json.dumps(recipe))
    wait_for(folder / "model" / f".building-{store.key('model', recipe)[:12]}" / "started")
    return builder


def test_an_artifact_is_built_once_and_found_again(tmp_path: Path) -> None:
    first = Store(tmp_path).get("data", RECIPE, write_a_file)
    again = Store(tmp_path).get("data", RECIPE, refuse_to_build)
    assert first == again
    assert (first / "weights.bin").read_bytes() == b"weights"
    assert first.parent == tmp_path / "data"
    assert first.name.startswith("hand-push-")
    assert first.name.endswith(Store(tmp_path).key("data", RECIPE)[:12])


def test_the_key_is_stable_between_processes_and_releases(tmp_path: Path) -> None:
    # A change of this value means that every artifact of every user is built anew.
    assert Store(tmp_path).key("data", {"b": [1, 2.5], "a": None}).startswith("c0ec881717df3877")


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"sizes": (64, 64)}, {"sizes": [64, 64]}),
        ({"rate": 1}, {"rate": 1.0}),
        ({"rate": 0.1}, {"rate": np.float64(0.1)}),
        ({"seed": 3}, {"seed": np.int64(3)}),
        ({"clip": float("inf")}, {"clip": np.inf}),
    ],
)
def test_two_spellings_of_one_recipe_share_a_key(tmp_path: Path, one: dict, same: dict) -> None:
    assert Store(tmp_path).key("data", one) == Store(tmp_path).key("data", same)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"seed": 0}, {"seed": 1}),
        ({"seed": 1}, {"seed": True}),
        ({"seed": 1}, {"seed": "1"}),
        ({"rate": 0.1}, {"rate": 0.1 + 1e-16 * 2}),
        ({"clip": float("inf")}, {"clip": "inf"}),
        ({"a": {"b": 1}}, {"a": {"c": 1}}),
    ],
)
def test_two_different_recipes_never_share_a_key(tmp_path: Path, one: dict, other: dict) -> None:
    assert Store(tmp_path).key("data", one) != Store(tmp_path).key("data", other)


def test_the_kind_is_part_of_the_key(tmp_path: Path) -> None:
    assert Store(tmp_path).key("data", RECIPE) != Store(tmp_path).key("model", RECIPE)


@pytest.mark.parametrize("strange", [{"a": {1: 2}}, {"a": {1, 2}}, {"a": Path("x")}, {"a": np.zeros(3)}])
def test_a_recipe_that_json_cannot_hold_is_refused_by_its_path(tmp_path: Path, strange: dict) -> None:
    with pytest.raises(TypeError, match=r"recipe\.a"):
        Store(tmp_path).key("data", strange)


@pytest.mark.parametrize("problem", [RuntimeError("diverged"), KeyboardInterrupt(), SystemExit(143)])
def test_a_build_that_fails_leaves_no_artifact_and_the_next_one_goes_on(tmp_path: Path, problem: BaseException) -> None:
    store = Store(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half.txt").write_text("half")
        raise problem

    with pytest.raises(type(problem)):
        store.get("model", RECIPE, fail)
    assert not store.path("model", RECIPE).exists()
    assert store.list() == []

    def go_on(folder: Path) -> None:
        assert (folder / "half.txt").read_text() == "half"
        (folder / "rest.txt").write_text("rest")

    assert (store.get("model", RECIPE, go_on) / "half.txt").read_text() == "half"
    leftovers = [path.name for path in (tmp_path / "model").iterdir() if path.name.startswith((".building", ".holder"))]
    assert leftovers == []


def test_two_processes_that_want_the_same_artifact_build_it_once(tmp_path: Path) -> None:
    script = """
        import os, sys, time
        from pathlib import Path
        from wm_lab.store import Store
        def build(folder):
            with open(f"{sys.argv[1]}/builds", "a") as file:
                file.write("built\\n")
            time.sleep(0.4)
            (folder / "x").write_text("x" * 1000)
        Path(sys.argv[1], f"ready-{os.getpid()}").touch()
        while not Path(sys.argv[1], "go").exists(): time.sleep(0.001)
        path = Store(sys.argv[1]).get("data", {"name": "race"}, build)
        print(len((path / "x").read_text()))
    """
    racers = [start(script, tmp_path) for _ in range(3)]
    for racer in racers:
        wait_for(tmp_path / f"ready-{racer.pid}")
    (tmp_path / "go").touch()
    ends = [racer.communicate(timeout=30) for racer in racers]
    assert [out.strip() for out, _ in ends] == ["1000"] * 3, ends
    assert (tmp_path / "builds").read_text() == "built\n"
    waiting = [err for _, err in ends if "waiting for race-" in err]
    assert len(waiting) == 2
    # Whoever asks in the instant between taking the lock and signing for it hears of "another process".
    builders = {"another process", *(f"process {racer.pid} on" for racer in racers)}
    assert all(any(f"built by {builder}" in err for builder in builders) for err in waiting), waiting


def test_a_build_killed_without_warning_is_resumed_by_the_next_process(tmp_path: Path) -> None:
    store, recipe = Store(tmp_path), {"name": "rssm"}
    victim = start_building(store, recipe, tmp_path)
    victim.send_signal(signal.SIGKILL)
    victim.communicate(timeout=10)
    assert not store.path("model", recipe).exists()

    found: list[str] = []
    path = store.get("model", recipe, lambda folder: found.extend(sorted(file.name for file in folder.iterdir())))
    assert found == ["recipe.json", "started", "step-1"]
    assert (path / "step-1").read_text() == "kept"


def test_a_machine_waits_for_another_and_goes_on_where_that_one_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store, recipe = Store(tmp_path), {"name": "rssm"}
    lost = start_building(store, recipe, tmp_path)
    monkeypatch.setattr("socket.gethostname", lambda: "node-b")
    warning = logging.getLogger("wm_lab.store").warning

    def lose(*words: object) -> None:
        warning(*words)
        lost.send_signal(signal.SIGKILL)

    monkeypatch.setattr("wm_lab.store.log.warning", lose)
    path = store.get("model", recipe, lambda folder: (folder / "step-2").write_text((folder / "step-1").read_text()))
    assert f"built by process {lost.pid} on node-a" in caplog.text
    assert (path / "step-2").read_text() == "kept"
    assert store.get("model", recipe, refuse_to_build) == path
    lost.communicate(timeout=10)


def test_what_another_machine_has_built_is_found_although_it_was_remembered_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    path = store.get("data", RECIPE, write_a_file)
    exists, listed = Path.exists, os.listdir
    remembered = {path}  # as NFS remembers it for `acdirmax` seconds: until the folder above is listed

    def ask(self: Path, **options: bool) -> bool:
        return self not in remembered and exists(self, **options)

    def look(folder: Path) -> list[str]:
        remembered.clear()
        return listed(folder)

    monkeypatch.setattr(Path, "exists", ask)
    monkeypatch.setattr(os, "listdir", look)
    assert store.get("data", RECIPE, refuse_to_build) == path


@pytest.mark.skipif(os.name != "posix", reason="flock is POSIX's")
@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK])
def test_a_file_system_without_locks_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", flock)
    with (
        pytest.warns() if code == errno.ENOSYS else nullcontext(),
        pytest.raises(UserError, match="without file locks"),
    ):
        Store(tmp_path).get("data", RECIPE, refuse_to_build)


def test_a_recipe_cut_short_by_a_kill_is_written_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    workshop = tmp_path / "data" / f".building-{store.key('data', RECIPE)[:12]}"
    workshop.mkdir(parents=True)
    (workshop / "recipe.json").write_text('{"form')
    path = store.get("data", RECIPE, write_a_file)
    assert json.loads((path / "recipe.json").read_text())["recipe"]["sizes"] == [64, 64]


def test_an_edited_recipe_is_refused_and_names_what_differs(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.get("data", RECIPE, write_a_file)
    file = path / "recipe.json"
    file.write_text(file.read_text().replace('"seed": 3', '"seed": 4'))
    with pytest.raises(UserError, match=rf"{path.name}.*recipe\.seed"):
        store.get("data", RECIPE, refuse_to_build)


@pytest.mark.parametrize("content", ["", "[]", "{}", "not json"])
def test_a_folder_without_a_readable_recipe_is_refused_by_name(tmp_path: Path, content: str) -> None:
    store = Store(tmp_path)
    path = store.get("data", RECIPE, write_a_file)
    (path / "recipe.json").write_text(content)
    with pytest.raises(UserError, match=path.name):
        store.get("data", RECIPE, refuse_to_build)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_sentence_and_the_build_can_go_on(tmp_path: Path, code: int) -> None:
    store = Store(tmp_path)

    def run_out(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError(code, os.strerror(code))

    with pytest.raises(UserError, match="full"):
        store.get("data", RECIPE, run_out)
    path = store.get("data", RECIPE, lambda folder: None)
    assert (path / "half").exists()


def test_a_read_only_store_serves_what_it_has_and_refuses_the_rest_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    path = store.get("data", RECIPE, write_a_file)

    def read_only(self: Path, *args: object, **kwargs: object) -> None:  # chmod does not stop the root user
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    for method in ("mkdir", "write_text", "rename", "touch"):
        monkeypatch.setattr(Path, method, read_only)
    assert store.get("data", RECIPE, refuse_to_build) == path
    with pytest.raises(UserError, match="cannot be written"):
        store.get("data", {"name": "new"}, write_a_file)


def test_a_root_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="not a folder"):
        Store(tmp_path / "file").get("data", RECIPE, write_a_file)


def test_a_builders_own_file_error_is_not_blamed_on_the_store(tmp_path: Path) -> None:
    def read_elsewhere(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/elsewhere/data.npy")

    with pytest.raises(PermissionError):
        Store(tmp_path / "store").get("data", RECIPE, read_elsewhere)


def test_what_a_stopped_builder_was_writing_is_no_part_of_the_artifact(tmp_path: Path) -> None:
    def stopped_while_writing(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Path, "replace", stop)
            patched.setattr(os, "getpid", lambda: 1)
            checkpoint.write(folder / "last.pt", {"weights": 1})

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        store.get("model", RECIPE, stopped_while_writing)
    built = store.get("model", RECIPE, lambda folder: checkpoint.write(folder / "last.pt", {"weights": 2}))
    assert sorted(path.name for path in built.iterdir()) == ["last.pt", "recipe.json"]


def test_list_names_finished_artifacts_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(tmp_path)
    assert store.list() == []
    with caplog.at_level(logging.WARNING):
        store.get("model", {"name": "b"}, write_a_file)
        store.get("data", {"name": "a"}, write_a_file)
    assert caplog.text == ""  # nobody waited for anybody
    (tmp_path / "data" / ".building-0").mkdir()
    (tmp_path / "data" / ".building-0" / "recipe.json").write_text("{}")
    assert [(item.kind, item.recipe["name"]) for item in store.list()] == [("data", "a"), ("model", "b")]
    assert [item.recipe["name"] for item in store.list("model")] == ["b"]


def test_what_one_reserved_nobody_else_builds_until_it_is_built_or_given_back(tmp_path: Path) -> None:
    mine, other = Store(tmp_path), Store(tmp_path)
    recipes = [{"name": "a"}, {"name": "b"}]
    assert [mine.reserve("data", recipe) for recipe in recipes] == [True, True]
    assert [other.reserve("data", recipe) for recipe in recipes] == [False, False]
    assert not mine.reserve("data", recipes[0]), "twice asks for it twice"
    mine.get("data", recipes[0], write_a_file)
    mine.release()
    assert [other.reserve("data", recipe) for recipe in recipes] == [False, True], "the first is there, the second free"
    other.release()
    assert not [path.name for path in (tmp_path / "data").iterdir() if path.name.startswith(".holder")]
