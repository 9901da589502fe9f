"""A sample of damaged run folders; `python -m tests.reports.damage 100` tries more."""

from __future__ import annotations

import pytest

from tests.reports.damage import faults
from tests.reports.test_sweep_report import write_run
from wm_lab.reports.runs import read_runs


def test_a_damaged_run_folder_is_named_and_costs_no_other_its_report(tmp_path):
    assert not list(faults(12, 16, tmp_path))


@pytest.mark.parametrize(
    "name", ["status.json", "result.json", "overrides.txt", "environment.json", "outcomes/mpc.json"]
)
def test_a_link_to_what_never_ends_is_not_read(tmp_path, name):
    def link(folder, draw):
        (folder / name).unlink()
        (folder / name).symlink_to("/dev/zero")
        return name

    assert not list(faults(1, 0, tmp_path, link))


def test_a_run_that_a_link_leads_to_once_more_is_counted_once(tmp_path):
    run = write_run(tmp_path / "0")
    (run / "again").symlink_to(".")
    (tmp_path / "1").symlink_to(run)
    assert [record.folder for record in read_runs([tmp_path])] == [run]
