"""Sweeps in Weights & Biases: ours as a group that goes on without doubles, and theirs, steered by `wandb agent`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.entry.command import ROOT, wm_lab
from tests.tracking.wandb_server import KEY, ServedRun, WandbServer
from tests.tracking.wandb_sweeps import SWEEP, SweepServer
from wm_lab.reports.metric import TOLD_BY
from wm_lab.tracking.wandb_run import LONGEST_TAG

pytestmark = pytest.mark.slow

FLAKY = '''
"""An exercise without work, which fails on seed 1 for as long as there is a file called broken."""
from dataclasses import dataclass
from pathlib import Path
from wm_lab.exercises.exercise import Answer, Exercise

@dataclass
class FlakyConfig:
    unit: str = "steps"

class Flaky(Exercise):
    Config = FlakyConfig

    def __init__(self, config):
        self.config = config

    def check(self, bench):
        pass

    def run(self, bench):
        if Path("broken").exists() and bench.settings.seed == 1:
            raise RuntimeError("the robot fell over")
        bench.run.log(1, loss=0.5)
        return Answer([f"an episode takes {bench.task_spec.episode_steps} steps"], {})
'''


@pytest.fixture
def flaky(tmp_path: Path) -> Path:
    """A folder of a user's own with such an exercise."""
    (tmp_path / "mine" / "exercise").mkdir(parents=True)
    (tmp_path / "mine" / "flaky.py").write_text(FLAKY)
    (tmp_path / "mine" / "exercise" / "flaky.yaml").write_text("_target_: flaky.Flaky\n")
    return tmp_path


def by_type(server: WandbServer, kind: str) -> list[ServedRun]:
    return [run for run in server.runs.values() if run.fields.get("jobType") == kind]


def test_a_sweep_is_a_group_whose_failed_runs_are_marked_and_continued_and_which_ends_in_a_report(
    flaky: Path, logged_in: pytest.MonkeyPatch
) -> None:
    command = ("--config-dir", "mine", "-m", "exercise=flaky", "seed=0,1,2", "scale=smoke", "tracking.tags=[arm,night]")
    with WandbServer() as server:
        logged_in.setenv("WANDB_BASE_URL", server.url)
        (flaky / "broken").touch()
        assert wm_lab(flaky, *command).code == 2
        runs, (report,) = by_type(server, "flaky"), by_type(server, "report")
        (sweep,) = (flaky / "outputs" / "multiruns").iterdir()
        assert {run.fields["groupName"] for run in server.runs.values()} == {sweep.name}
        assert [run.exit_code for run in runs] == [0, 1, 0]
        assert all(run.fields["tags"] == ["arm", "night"] for run in runs)
        assert [run.config["seed"]["value"] for run in runs] == [0, 1, 2]
        assert any("1 of 3 runs left no result" in verdict for verdict in report.summary["verdicts"])
        shown = {key for row in report.history for key in row if not key.startswith("_")}
        assert {"report", "Runs", "Without a result"} <= shown

        (flaky / "broken").unlink()
        before = list(server.runs)
        assert wm_lab(flaky, *command).code == 0
        assert list(server.runs) == before, "the failed run and the report were continued, the others left alone"
        assert [run.exit_code for run in runs] == [0, 0, 0]
        assert not any("left no result" in verdict for verdict in report.summary["verdicts"])
        assert all(len(tag) <= LONGEST_TAG for run in server.runs.values() for tag in run.fields.get("tags") or [])


def test_wandb_sweep_and_agent_steer_runs_of_the_command(flaky: Path, tmp_path: Path) -> None:
    sweep = yaml.safe_load((ROOT / "sweeps" / "wandb.yaml").read_text())
    sweep["parameters"] = {"exercise": {"value": "flaky"}, "scale": {"value": "smoke"}, "seed": {"values": [0, 1]}}
    sweep["command"][1:1] = ["--config-dir", str(flaky / "mine")]
    (tmp_path / "sweep.yaml").write_text(yaml.dump(sweep))
    (tmp_path / "broken").touch()
    with SweepServer() as server:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WANDB_")},
            "WANDB_BASE_URL": server.url,
            "WANDB_API_KEY": KEY,
            "WANDB_SILENT": "true",
            "WANDB_AGENT_REPORT_INTERVAL": "0",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }

        def wandb(*arguments: str) -> subprocess.CompletedProcess[str]:
            program = [sys.executable, "-m", "wandb", *arguments]
            return subprocess.run(
                program, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
            )

        begun = wandb("sweep", "sweep.yaml")
        assert begun.returncode == 0, begun.stderr
        assert server.sweep["metric"] == {"name": "success", "goal": "maximize"}
        ended = wandb("agent", "--count", "2", f"local/wm_lab/{SWEEP}")
        assert ended.returncode == 0, ended.stderr
        assert sorted(server.runs) == ["agentrun0", "agentrun1"], ended.stderr
        ends = {run.config["seed"]["value"]: run.exit_code for run in server.runs.values()}
        assert ends == {0: 0, 1: 1}
        assert all(run.config["exercise"]["value"] == "flaky" for run in server.runs.values()), "what the sweep chose"


def test_the_shipped_sweep_names_settings_that_exist(tmp_path: Path) -> None:
    sweep = yaml.safe_load((ROOT / "sweeps" / "wandb.yaml").read_text())
    words = [
        f"{name}={(p.get('values') or [p.get('value', p.get('min'))])[0]}" for name, p in sweep["parameters"].items()
    ]
    shown = wm_lab(tmp_path, *words, "--cfg", "job", "--resolve")
    assert shown.code == 0, shown.err
    assert sweep["metric"]["name"] in TOLD_BY
