"""The two start scripts make their environment once, mend it when it is stale or broken, and say what is wrong."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
import textwrap
import time
import venv
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script's functions, in a repository of their own where steps are recorded instead of run."""
    module = load(repository(tmp_path))
    module.steps = []

    def record(what: str, *command: str) -> None:
        module.steps.append(command)
        if "venv" in command:
            shutil.rmtree(module.VENV, ignore_errors=True)
            (module.VENV / "bin").mkdir(parents=True)
            (module.VENV / "bin" / "python").touch()

    monkeypatch.setattr(module, "run", record)
    monkeypatch.setattr(module, "usable", lambda: (module.VENV / "bin" / "python").exists())
    monkeypatch.setattr(module, "reachable", lambda index: False)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    monkeypatch.delenv("WM_LAB_TORCH_INDEX", raising=False)
    return module


def repository(folder: Path) -> Path:
    shutil.copytree(SCRIPTS, folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "pyproject.toml").write_text("[project]\n")
    (folder / "constraints.txt").write_text("torch==2.13.0\n")
    return folder


def load(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", root / "scripts" / "_bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kinds(steps: list[tuple[str, ...]]) -> list[str]:
    return ["venv" if "venv" in step else "torch" if "torch" in step else "project" for step in steps]


def fail_at(kind: str, bootstrap: ModuleType, problem: BaseException) -> Callable[..., None]:
    record = bootstrap.run

    def run(what: str, *command: str) -> None:
        if kinds([command]) == [kind]:
            raise problem
        record(what, *command)

    return run


@pytest.mark.parametrize("script", ["_bootstrap.py", "run.py", "test.py"])
def test_the_scripts_can_be_read_by_an_old_python(script: str) -> None:
    tree = ast.parse((SCRIPTS / script).read_text(), feature_version=(3, 6))
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert "__future__" not in imported  # Python 3.6 knows no postponed annotations


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 10, 13), (3, 14, 0)])
def test_an_unsupported_python_gets_one_sentence(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...]
) -> None:
    monkeypatch.setattr(bootstrap, "sys", SimpleNamespace(version_info=version, argv=["run.py"], exit=sys.exit))
    with pytest.raises(SystemExit, match=rf"3\.11 to 3\.13, and this is 3\.{version[1]};"):
        bootstrap.start("wm-lab")
    assert bootstrap.steps == []


def test_a_first_start_installs_torch_before_the_project(bootstrap: ModuleType) -> None:
    bootstrap.prepare()
    assert kinds(bootstrap.steps) == ["venv", "torch", "project"]
    assert all(str(bootstrap.ROOT / "constraints.txt") in step for step in bootstrap.steps[1:])
    assert not any("--index-url" in step for step in bootstrap.steps)


def test_only_torch_comes_from_the_index_that_the_user_names(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WM_LAB_TORCH_INDEX", "file:///wheels")
    bootstrap.prepare()
    assert bootstrap.steps[1][-2:] == ("--index-url", "file:///wheels")
    assert "--index-url" not in bootstrap.steps[2]


def torch_options(bootstrap: ModuleType) -> list[tuple[str, ...]]:
    bootstrap.prepare()
    return [step[step.index("torch") + 1 :] for step in bootstrap.steps if "torch" in step]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is one build")
def test_without_a_gpu_the_cpu_build_is_taken_where_it_can_be_reached(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "reachable", lambda index: True)
    assert torch_options(bootstrap) == [("--extra-index-url", bootstrap.CPU_BUILDS)]
    assert "CPU build (about 200 MB)" in capsys.readouterr().err


def test_with_a_gpu_nobody_asks(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(bootstrap, "reachable", lambda index: 1 / 0)
    assert torch_options(bootstrap) == [()]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is one build")
def test_an_index_that_answers_and_serves_nothing_gives_way_to_pips(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, monkey = bootstrap.run, monkeypatch.setattr
    monkey(bootstrap, "reachable", lambda index: True)

    def run(what: str, *command: str) -> None:
        record(what, *command)
        if "--extra-index-url" in command:
            raise bootstrap.Problem("no such version")

    monkey(bootstrap, "run", run)
    assert torch_options(bootstrap) == [("--extra-index-url", bootstrap.CPU_BUILDS), ()]


def test_whether_an_index_can_be_reached_is_known_within_seconds(tmp_path: Path) -> None:
    import socket

    module = load(repository(tmp_path))
    module.PATIENCE = 0.3
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection, and never answers
        began = time.monotonic()
        assert not module.reachable(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - began < 5


def test_a_second_start_installs_nothing(bootstrap: ModuleType) -> None:
    bootstrap.prepare()
    bootstrap.steps.clear()
    bootstrap.prepare()
    assert bootstrap.steps == []


@pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt"])
def test_changed_dependencies_are_installed_into_the_environment_there_is(bootstrap: ModuleType, file: str) -> None:
    bootstrap.prepare()
    bootstrap.steps.clear()
    (bootstrap.ROOT / file).write_text("changed\n")
    bootstrap.prepare()
    assert kinds(bootstrap.steps) == ["torch", "project"]


def test_another_python_gets_an_environment_of_its_own(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap.prepare()
    bootstrap.steps.clear()
    monkeypatch.setattr(bootstrap, "usable", lambda: False)
    (bootstrap.VENV / "bin" / "python").unlink()
    bootstrap.prepare()
    assert kinds(bootstrap.steps) == ["venv", "torch", "project"]


def test_an_installation_that_was_killed_is_begun_afresh(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(bootstrap, "run", fail_at("project", bootstrap, KeyboardInterrupt()))
        with pytest.raises(SystemExit) as exit:
            bootstrap.start("wm-lab")
    assert exit.value.code == 130
    assert "Traceback" not in capsys.readouterr().err
    bootstrap.steps.clear()
    bootstrap.prepare()
    assert kinds(bootstrap.steps) == ["venv", "torch", "project"]


def test_after_a_failed_download_the_next_start_goes_on(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(bootstrap, "run", fail_at("project", bootstrap, bootstrap.Problem("no network")))
        with pytest.raises(SystemExit, match="no network"):
            bootstrap.start("wm-lab")
    bootstrap.steps.clear()
    bootstrap.prepare()
    assert kinds(bootstrap.steps) == ["torch", "project"]


def test_a_failing_step_is_named_with_its_exit_code(tmp_path: Path) -> None:
    module = load(repository(tmp_path))
    with pytest.raises(module.Problem, match=r"installing failed \(exit code 3"):
        module.run("installing", sys.executable, "-c", "import sys; sys.exit(3)")


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_a_missing_standard_module_gets_a_sentence_and_a_remedy(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    with pytest.raises(SystemExit, match=rf"lacks its {missing} module.*python3-venv"):
        bootstrap.start("wm-lab")


def test_a_folder_that_cannot_be_written_gets_a_sentence(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "LOCK", bootstrap.ROOT / "missing" / "lock")  # chmod does not stop the root user
    with pytest.raises(SystemExit, match="cannot be prepared"):
        bootstrap.start("wm-lab")


def test_two_starts_at_once_install_once(tmp_path: Path) -> None:
    root = repository(tmp_path)
    script = textwrap.dedent("""
        import sys, time
        sys.path.insert(0, sys.argv[1])
        import _bootstrap
        def install():
            with open(_bootstrap.ROOT / "installs", "a") as file:
                file.write("installed\\n")
            time.sleep(0.5)
            (_bootstrap.VENV / "bin").mkdir(parents=True)
            (_bootstrap.VENV / "bin" / "python").touch()
        _bootstrap.install = install
        _bootstrap.prepare()
    """)
    command = [sys.executable, "-c", script, str(root / "scripts")]
    starts = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    words = [start.communicate(timeout=20)[1] for start in starts]
    assert [start.returncode for start in starts] == [0, 0, 0], words
    assert (root / "installs").read_text() == "installed\n"


def test_the_program_runs_inside_the_environment_with_its_own_exit_code_and_little_delay(tmp_path: Path) -> None:
    root = repository(tmp_path)
    module = load(root)
    venv.create(module.VENV, symlinks=True)
    module.STAMP.write_text(module.fingerprint())
    (module.VENV / "bin" / "wm-lab").write_text(
        f"#!{module.VENV}/bin/python\nimport os, sys\nprint(sys.prefix, os.getcwd(), sys.argv[1:])\nsys.exit(7)\n"
    )
    (module.VENV / "bin" / "wm-lab").chmod(0o755)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    before = os.times()
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, root / "scripts" / "run.py", "a=1", "b=[2, 3]"], capture_output=True, text=True, cwd=elsewhere
    )
    after = os.times()
    assert done.stdout.strip() == f"{module.VENV} {elsewhere} ['a=1', 'b=[2, 3]']", done.stderr
    assert done.returncode == 7
    # Processor time, because the machine may be busy; the wall clock has room for that.
    assert after.children_user + after.children_system - before.children_user - before.children_system < 1.0
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        (["scripts", "-k", "x"], ["scripts", "-k", "x"]),
        (["-m", "not slow"], ["-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder", "-m", "not slow"]),
    ],
)
def test_the_environments_python_finds_the_environments_packages_and_takes_all_cores_for_all_tests(
    tmp_path: Path, typed: list[str], asked: list[str]
) -> None:
    root = repository(tmp_path)
    module = load(root)
    venv.create(module.VENV, symlinks=True)
    module.STAMP.write_text(module.fingerprint())
    (root / "pytest.py").write_text("import os, sys\nprint(sys.prefix, os.getcwd(), sys.argv[1:])\n")
    command = [sys.executable, root / "scripts" / "test.py", *typed]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    assert done.stdout.strip() == f"{module.VENV} {root} {asked}", done.stderr
