"""A sweep that goes on launches what is left of it, each cell under the number that it had."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from tests.entry.command import SMALL, wm_lab
from tests.reports.test_sweep_report import write_run, write_status
from wm_lab.evaluation.json_files import write_json
from wm_lab.launchers.composition import SweepLoader
from wm_lab.launchers.rest import Rest
from wm_lab.launchers.resume import place
from wm_lab.main import CONF

SEEDS = [[f"seed={seed}"] for seed in range(5)]


class Bench:
    """A sweep in `folder`, and the calls that its launcher hears."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder, self.launcher = folder, mock.Mock()
        own = GlobalHydra.instance().hydra.config_loader
        self.master = own.load_configuration("config", [f"hydra.sweep.dir={folder}", *words], RunMode.MULTIRUN)
        self.loader = SweepLoader(own)

    def finish(self, number: int, job: list[str], **changed: object) -> Path:
        """Leave what a finished run of the job leaves."""
        config = self.loader.load_sweep_config(self.master, job)
        del config.hydra
        config.merge_with(changed)
        folder = write_run(self.folder / str(number))
        (folder / "config.yaml").write_text(OmegaConf.to_yaml(config, resolve=True))
        return folder

    def launched(self, jobs: list[list[str]], first: int = 0) -> dict[int, list[str]]:
        """{number: overrides} of the jobs that reach the launcher."""
        Rest(self.launcher, self.loader, self.master).launch(jobs, first)
        return {
            start + k: job for (jobs, start), _ in self.launcher.launch.call_args_list for k, job in enumerate(jobs)
        }


@pytest.fixture
def hydra():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield
    GlobalHydra.instance().clear()


@pytest.fixture
def bench(hydra, tmp_path) -> Bench:
    return Bench(tmp_path)


def test_a_finished_sweep_launches_nothing(bench):
    for number, job in enumerate(SEEDS):
        bench.finish(number, job)
    assert bench.launched(SEEDS) == {}


def test_a_new_sweep_launches_everything(bench):
    assert bench.launched(SEEDS, first=3) == dict(enumerate(SEEDS, 3))


def test_what_is_left_is_one_stretch_and_every_cell_keeps_its_number(bench):
    for number in (10, 12, 14):
        bench.finish(number, SEEDS[number - 10])
    write_status(bench.folder / "13", "failed")  # 11 was never begun
    assert bench.launched(SEEDS, first=10) == {11: SEEDS[1], 12: SEEDS[2], 13: SEEDS[3]}


@pytest.mark.parametrize("changed", [{"seed": 9}, {"planner": {"horizon": 99}}], ids=str)
def test_a_cell_whose_settings_changed_runs_again(bench, changed):
    bench.finish(0, SEEDS[0], tracking={"name": "another"})  # which changes no number
    bench.finish(1, SEEDS[1], **changed)
    assert bench.launched(SEEDS[:2]) == {1: SEEDS[1]}


def test_a_result_that_cannot_be_read_is_none(bench):
    (bench.finish(0, SEEDS[0]) / "result.json").write_text("{")
    assert bench.launched(SEEDS[:1]) == {0: SEEDS[0]}


def test_a_setting_that_reads_the_job_s_number_is_that_of_the_job(bench):
    jobs = [["planner=cem", "seed=${hydra:job.num}"], ["planner=mppi", "seed=${hydra:job.num}"]]
    assert bench.launched(jobs) == dict(enumerate(jobs))
    for number, word in enumerate(("planner=cem", "planner=mppi")):
        bench.finish(number, [word, "seed=1"])
    bench.launcher.reset_mock()
    assert bench.launched(jobs) == {0: jobs[0]}


def test_a_folder_that_only_the_launcher_can_name_is_its_own_process_s_business(hydra, tmp_path):
    bench = Bench(tmp_path, "hydra.sweep.subdir=${hydra.job.id}")
    bench.finish(0, SEEDS[0])
    assert bench.launched(SEEDS[:1]) == {0: SEEDS[0]}


@pytest.mark.slow
def test_processes_are_not_even_started_for_a_sweep_that_is_finished(furnished):
    sweep = ("-m", *SMALL, "planner=cem,mppi")
    assert wm_lab(furnished, *sweep).code == 0
    (folder,) = (furnished / "outputs" / "multiruns").iterdir()
    before = (folder / "report.md").read_text()
    with mock.patch("hydra._internal.core_plugins.basic_launcher.run_job", side_effect=AssertionError("launched")):
        again = wm_lab(furnished, *sweep)
    assert again.code == 0 and again.err.count("finished before") == 2, again.err
    assert (folder / "report.md").read_text() == before


def test_a_sweep_that_other_code_began_is_begun_anew(tmp_path):
    asked = {"jobs": SEEDS, "code": "1234", "command": ["-m"]}
    began, lock = place(tmp_path / "first", asked)
    write_json(began / "jobs.json", asked)
    lock.release()
    assert place(tmp_path / "second", {**asked, "code": "5678"})[0] == tmp_path / "second"
    assert place(tmp_path / "third", asked)[0] == began
