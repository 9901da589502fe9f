"""Weights & Biases through its real client: what is shown, how runs end, and that its failures stay its own."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from tests.tracking.bad_servers import BAD, Dying, bad_server
from tests.tracking.wandb_files import OfflineRun, read_offline_run, read_run_file
from tests.tracking.wandb_server import KEY, WandbServer
from wm_lab.errors import UserError
from wm_lab.reports.moving import save_moving
from wm_lab.settings import read_config
from wm_lab.tracking import Mode, Run, RunFolder, Tracker, TrackingConfig, write_gif
from wm_lab.tracking.wandb_server import has_key

CONFIG = {"model": {"name": "rssm", "sizes": [8, 16]}, "seed": 3}


def open_run(folder: Path, mode: Mode = Mode.offline, **tracking: Any) -> Run:
    config = TrackingConfig(mode=mode, **tracking)
    return Run(folder, config=CONFIG, config_text="seed: 3\n", tracking=config, job_type="planning")


def read_finished(folder: Path) -> OfflineRun:
    """The offline run once its end is in the file, which the client writes a moment after it says so."""
    deadline = time.monotonic() + 10
    while (shown := read_offline_run(folder)).exit_code is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return shown


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_an_offline_run_holds_config_history_summary_and_its_good_end(tmp_path: Path) -> None:
    with open_run(tmp_path, group="sweep-7", tags=["hand", "rssm"], name="first") as run:
        run.log(10, **{"train/loss": torch.tensor(0.5), "eval/success": np.float32(0.25)})
        run.log(20, **{"train/loss": 0.125})
        run.log(5, reward=1)
        run.finish({"success": 0.75, "rows": {"mpc": [0.5, 1.0]}, "verdict": "planning helps"})
    shown = read_finished(tmp_path)
    assert (shown.group, shown.job_type, shown.name, shown.tags) == ("sweep-7", "planning", "first", ["hand", "rssm"])
    assert {key: shown.config[key] for key in CONFIG} == CONFIG
    rows = [{key: value for key, value in row.items() if not key.startswith("_")} for row in shown.history]
    assert rows == [
        {"train/step": 10, "train/loss": 0.5, "eval/step": 10, "eval/success": 0.25},
        {"train/step": 20, "train/loss": 0.125},
        {"step": 5, "reward": 1},
    ]
    assert (shown.summary["success"], shown.summary["verdict"]) == (0.75, "planning helps")
    assert shown.exit_code == 0


def test_tables_images_videos_and_pages_reach_the_offline_run(tmp_path: Path) -> None:
    frames = np.zeros((3, 8, 8, 3), np.uint8)
    frames[1] = 255
    with open_run(tmp_path) as run:
        write_gif(run.folder.plots / "film.gif", frames)
        (run.folder.plots / "curve.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
        (run.folder.plots / "page.html").write_text("<p>hello</p>")
        run.table("success", ["arm", "rate"], [["mpc", 0.5], ["bc", "not run"]])
        run.image("curve", run.folder.plots / "curve.svg")
        run.video("film", run.folder.plots / "film.gif")
        run.video("clip", save_moving(list(frames), run.folder.plots / "clip", 100.0))
        run.html("page", run.folder.plots / "page.html")
    shown = read_finished(tmp_path).history
    kinds = {key: value["_type"] for row in shown for key, value in row.items() if isinstance(value, dict)}
    assert (kinds.pop("film"), kinds.pop("clip")) == ("video-file", "video-file")
    assert kinds == {"success": "table-file", "curve": "html-file", "page": "html-file"}
    (table,) = tmp_path.glob("wandb/offline-run-*/files/media/table/*.json")
    assert json.loads(table.read_text())["data"] == [["mpc", 0.5], ["bc", "not run"]]


def test_an_exception_ends_the_run_as_failed(tmp_path: Path) -> None:
    def fail() -> None:
        with open_run(tmp_path) as run:
            run.log(1, loss=2.0)
            raise UserError("the dataset is empty; collect first\nsecond line")

    with pytest.raises(UserError, match="the dataset is empty"):
        fail()
    shown = read_finished(tmp_path)
    assert (shown.exit_code, shown.history[0]["loss"]) == (1, 2.0)
    status = RunFolder(tmp_path).status()
    assert status is not None
    assert (status.state, status.reason) == ("failed", "UserError: the dataset is empty; collect first")


JOB = """
    import sys, time
    from pathlib import Path
    from wm_lab.tracking import Mode, Run, TrackingConfig
    tracking = TrackingConfig(mode=Mode[sys.argv[2]])
    with Run(sys.argv[1], config={"seed": 3}, config_text="", tracking=tracking) as run:
        run.log(1, loss=0.5)
        Path(sys.argv[1], "ready").touch()
        try:
            time.sleep(60)
        finally:
            if sys.argv[3:] == ["slow"]:
                Path(sys.argv[1], "closing").touch()
                time.sleep(60)
"""


def start_job(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(JOB), str(folder), *arguments]
    job = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(folder / "ready")
    return job


def wait_for(path: Path) -> None:
    wait_until(path.exists)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("number", "code", "state", "reason"),
    [
        (signal.SIGTERM, 143, "failed", "terminated by SIGTERM"),
        (signal.SIGINT, 130, "interrupted", "Ctrl-C"),
    ],
)
def test_a_signal_leaves_a_readable_run_that_tells_how_it_ended(
    tmp_path: Path, number: signal.Signals, code: int, state: str, reason: str
) -> None:
    job = start_job(tmp_path, "offline")
    job.send_signal(number)
    job.communicate(timeout=30)
    # Python ends by the signal itself after an uncaught KeyboardInterrupt, which a shell shows as 130.
    assert job.returncode in (code, -number)
    shown = read_finished(tmp_path)
    assert (shown.config["seed"], shown.history[0]["loss"], shown.exit_code) == (3, 0.5, code)
    status = json.loads((tmp_path / "status.json").read_text())
    assert (status["state"], status["reason"], status["exit_code"]) == (state, reason, code)


def test_a_second_interrupt_leaves_at_once_and_damages_nothing(tmp_path: Path) -> None:
    job = start_job(tmp_path, "disabled", "slow")
    job.send_signal(signal.SIGINT)
    wait_for(tmp_path / "closing")
    began = time.monotonic()
    job.send_signal(signal.SIGINT)
    job.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert job.returncode == 130
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["loss"] == 0.5
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "running"


def test_rows_survive_a_kill_after_little_more_than_a_second(tmp_path: Path) -> None:
    job = start_job(tmp_path, "offline")
    deadline = time.monotonic() + 10
    while not read_offline_run(tmp_path).history and time.monotonic() < deadline:
        time.sleep(0.1)
    job.kill()
    job.communicate(timeout=10)
    shown = read_offline_run(tmp_path)
    assert (shown.config["seed"], shown.history[0]["loss"], shown.exit_code) == (3, 0.5, None)


def test_a_key_makes_auto_online_and_the_same_folder_continues_the_same_run(
    tmp_path: Path, logged_in: pytest.MonkeyPatch
) -> None:
    with WandbServer() as server:
        logged_in.setenv("WANDB_BASE_URL", server.url)
        with open_run(tmp_path, Mode.auto, group="sweep-7", tags=["hand"]) as run:
            run.log(1, **{"train/loss": 0.5})
            run.log(2, **{"train/loss": 0.25})
            run.finish({"success": 0.75})
        ((name, served),) = server.runs.items()
        assert (served.fields["groupName"], served.fields["jobType"]) == ("sweep-7", "planning")
        assert served.fields["tags"] == ["hand"]
        assert served.config["model"]["value"] == CONFIG["model"]
        assert [row["train/loss"] for row in served.history if "train/loss" in row] == [0.5, 0.25]
        assert served.summary["success"] == 0.75
        assert served.exit_code == 0

        with pytest.raises(RuntimeError, match="out of memory"):
            log_and_fail(tmp_path)
        assert list(server.runs) == [name]
        assert [row["train/loss"] for row in served.history if "train/loss" in row] == [0.5, 0.25, 0.125]
        assert served.exit_code == 1


def log_and_fail(folder: Path) -> None:
    with open_run(folder, Mode.auto) as run:
        run.log(3, **{"train/loss": 0.125})
        raise RuntimeError("out of memory")


def test_without_a_key_auto_is_offline(tmp_path: Path, logged_in: pytest.MonkeyPatch) -> None:
    logged_in.delenv("WANDB_API_KEY")
    with WandbServer() as server:
        logged_in.setenv("WANDB_BASE_URL", server.url)
        with open_run(tmp_path, Mode.auto):
            pass
        assert server.runs == {}
    assert read_finished(tmp_path).exit_code == 0


def test_a_key_in_the_netrc_file_counts_for_its_server_only(tmp_path: Path, logged_in: pytest.MonkeyPatch) -> None:
    logged_in.delenv("WANDB_API_KEY")
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1:8000\n  login user\n  password {KEY}\n")
    logged_in.setenv("NETRC", str(tmp_path / "netrc"))
    assert has_key("http://127.0.0.1:8000")
    assert not has_key("http://127.0.0.1:9000")


def test_an_unreachable_server_costs_little_and_the_run_goes_on_offline(
    tmp_path: Path, logged_in: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logged_in.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{closed_port()}")
    began = time.monotonic()
    with caplog.at_level(logging.WARNING), open_run(tmp_path, Mode.online, init_timeout=4) as run:
        run.log(1, loss=0.5)
    assert time.monotonic() - began < 4
    assert sum("tracking offline" in record.message for record in caplog.records) == 1
    shown = read_finished(tmp_path)
    assert (shown.history[0]["loss"], shown.exit_code) == (0.5, 0)


@pytest.mark.slow
def test_a_server_that_accepts_and_never_answers_costs_no_more_than_the_limit(
    tmp_path: Path, logged_in: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        logged_in.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with open_run(tmp_path, Mode.online, init_timeout=4) as run:
            run.log(1, loss=0.5)
        assert time.monotonic() - began < 4
    assert read_finished(tmp_path).history[0]["loss"] == 0.5


def test_a_server_that_dies_in_mid_run_costs_no_more_than_the_limit(
    tmp_path: Path, logged_in: pytest.MonkeyPatch
) -> None:
    with WandbServer() as server:
        logged_in.setenv("WANDB_BASE_URL", server.url)
        with open_run(tmp_path, Mode.online, init_timeout=3) as run:
            run.log(1, loss=0.5)
            server.stop()
            began = time.monotonic()
            run.finish({"success": 1.0})
        assert time.monotonic() - began < 6
    assert json.loads((tmp_path / "result.json").read_text()) == {"success": 1.0}
    assert list(tmp_path.glob("wandb/run-*/run-*.wandb"))  # still there for `wandb sync`


LIMIT = 3.0  # seconds, of what a server that fails may cost
SLACK = 4.0  # for the client's own start, its service's end and a busy machine


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_a_server_that_answers_but_refuses_costs_little_and_no_record(
    tmp_path: Path, logged_in: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    with bad_server(BAD[name]) as url, caplog.at_level(logging.WARNING):
        logged_in.setenv("WANDB_BASE_URL", url)
        began = time.monotonic()
        with open_run(tmp_path, Mode.online, init_timeout=LIMIT) as run:
            run.log(1, loss=0.5)
            run.table("success", ["arm"], [["mpc"]])
            run.finish({"success": 1.0})
        assert time.monotonic() - began < LIMIT + SLACK
    shown = read_finished(tmp_path)
    assert (shown.history[0]["loss"], shown.summary["success"], shown.exit_code) == (0.5, 1.0, 0)
    (told,) = [record.message for record in caplog.records if record.name.startswith("wm_lab")]
    (folder,) = tmp_path.glob("wandb/offline-run-*")
    assert f"`wandb sync {folder}`" in told


@pytest.mark.slow
@pytest.mark.parametrize("requests", [1, 2, 3, 5])
def test_a_server_that_dies_early_costs_little_and_no_record(
    tmp_path: Path, logged_in: pytest.MonkeyPatch, requests: int
) -> None:
    with Dying(requests) as server:
        logged_in.setenv("WANDB_BASE_URL", server.url)
        began = time.monotonic()
        with open_run(tmp_path, Mode.online, init_timeout=LIMIT) as run:
            run.log(1, loss=0.5)
            for name in ("success", "steps", "returns"):  # each asks the server
                run.table(name, ["arm"], [["mpc"]])
            run.finish({"success": 1.0})
        assert time.monotonic() - began < 2 * LIMIT + SLACK
    kept = sorted(tmp_path.glob("wandb/*run-*/run-*.wandb"))  # the run that failed to start is empty
    wait_until(lambda: any(row.get("loss") == 0.5 for file in kept for row in read_run_file(file).history))


@pytest.mark.slow
def test_after_a_server_has_failed_the_next_run_of_the_process_is_shown(
    tmp_path: Path, logged_in: pytest.MonkeyPatch
) -> None:
    with WandbServer() as server:
        logged_in.setenv("WANDB_BASE_URL", server.url)
        with open_run(tmp_path / "first", Mode.online, init_timeout=LIMIT) as run:
            server.stop()
            run.table("success", ["arm"], [["mpc"]])
    with WandbServer() as server:
        logged_in.setenv("WANDB_BASE_URL", server.url)
        with open_run(tmp_path / "second", Mode.online) as run:
            run.log(1, loss=0.5)
        (served,) = server.runs.values()
        assert served.history[0]["loss"] == 0.5


@pytest.mark.parametrize("home", [None, "/proc"])
def test_without_a_home_folder_nothing_is_lost(tmp_path: Path, home: str | None) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "XDG_CACHE_HOME")}
    script = """
        import sys
        from wm_lab.tracking import Mode, Run, TrackingConfig
        with Run(sys.argv[1], config={}, config_text="", tracking=TrackingConfig(mode=Mode.offline)) as run:
            run.table("success", ["arm"], [["mpc"]])
            run.finish({})
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    environment |= {} if home is None else {"HOME": home}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert not ended.stderr.strip()
    assert "success" in read_finished(tmp_path).history[0]


def test_failing_writes_are_said_once_and_never_reach_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*arguments: object, **options: object) -> None:
        raise OSError("No space left on device")

    with caplog.at_level(logging.WARNING), open_run(tmp_path) as run:
        assert run._tracker is not None
        monkeypatch.setattr(run._tracker._run, "log", break_down)
        run.log(1, loss=0.5)
        run.log(2, loss=0.25)
        run.image("missing", tmp_path / "missing.png")
    assert [row["loss"] for row in run.folder.metrics()] == [0.5, 0.25]
    assert [record.message for record in caplog.records] == [
        "Weights & Biases lost some numbers (No space left on device); the run goes on"
    ]


def test_disabled_tracking_does_not_even_import_wandb(tmp_path: Path) -> None:
    script = """
        import sys
        from wm_lab.tracking import Mode, Run, TrackingConfig
        with Run(sys.argv[1], config={}, config_text="", tracking=TrackingConfig(mode=Mode.disabled)) as run:
            run.log(1, loss=0.5)
            run.table("t", ["a"], [[1]])
            run.finish({})
        sys.exit("wandb" in sys.modules)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]).returncode == 0
    assert not (tmp_path / "wandb").exists()


def test_wandb_mode_decides_where_the_configuration_says_auto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    Tracker(TrackingConfig(mode=Mode.auto), tmp_path, {})
    assert list(tmp_path.iterdir()) == []


def test_wandb_disabled_is_heard_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_DISABLED", "true")
    Tracker(TrackingConfig(mode=Mode.auto), tmp_path, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"project": "a/b"}, r"tracking\.project='a/b' holds /"),
        ({"project": "why?"}, r"tracking\.project='why\?' holds \?"),
        ({"project": ""}, r"tracking\.project has 0 characters"),
        ({"name": "x" * 129}, r"tracking\.name has 129 characters"),
        ({"group": " "}, r"tracking\.group has 1 characters"),
    ],
)
def test_names_that_the_server_would_refuse_are_refused_before_any_work(options: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        TrackingConfig(**options)


def test_the_configuration_fits_a_typed_schema_and_refuses_what_the_server_would() -> None:
    schema = OmegaConf.structured(TrackingConfig)
    loaded = OmegaConf.to_object(OmegaConf.merge(schema, {"mode": "offline", "tags": ["hand"]}))
    assert loaded == TrackingConfig(mode=Mode.offline, tags=["hand"])
    with pytest.raises(UserError, match="65 characters"):
        TrackingConfig(tags=["x" * 65])
    with pytest.raises(UserError, match="init_timeout=0"):
        read_config(TrackingConfig, {"init_timeout": 0}, "tracking")
