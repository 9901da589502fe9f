"""What a run tries before any work costs one model, and few imagined steps, whatever the number of arms."""

from __future__ import annotations

import pytest
import torch

from tests.exercises.hand_lab import changed, check, settings
from wm_lab.experiment import dry_run
from wm_lab.experiment.dry_run import IMAGINED, FewImagined
from wm_lab.experiment.experiment import Experiment
from wm_lab.planners import CEM, MPPI, RandomShooting
from wm_lab.tracking.run import Run


def test_the_model_is_built_once_for_all_arms(tmp_path, monkeypatch):
    built = []

    def counting(*arguments):
        built.append(arguments)
        return build_model(*arguments)

    build_model = dry_run.build_model
    monkeypatch.setattr(dry_run, "build_model", counting)
    check(changed(settings("exercise.attribution=true", "exercise.greedy=true"), tmp_path))
    assert len(built) == 1


@pytest.mark.parametrize("kind", [CEM, MPPI, RandomShooting])
def test_few_candidates_are_imagined_and_the_search_runs_its_course(kind):
    asked = []

    def score(actions):
        asked.append(actions.shape[1])
        return -actions.square().sum((2, 3))

    planner = FewImagined(kind(kind.Config(horizon=3, candidates=64, iterations=2, elites=8), 2))
    plan = planner.rerank(planner.plan(score, [torch.Generator().manual_seed(0)]), score)
    assert asked == [IMAGINED, IMAGINED, 1, IMAGINED] and plan.actions.shape == (1, 3, 2)


def test_what_passed_before_is_not_tried_again_until_code_or_settings_change(tmp_path, monkeypatch):
    tried, build_model = [], dry_run.build_model
    monkeypatch.setattr(dry_run, "build_model", lambda *of: tried.append(of) or build_model(*of))

    def begin(*words):
        tried.clear()
        with Experiment(changed(settings(*words), tmp_path)) as experiment:
            experiment.dry_run.train()
            experiment.begin(Run.__new__(Run))
        return len(tried)

    assert begin() == 1 and begin() == 0 and begin("seed=7") == 1
    assert begin("objective.exploration=1") == 1, "who collects rounds may fail where nobody else does"
    monkeypatch.setattr(dry_run, "code_hash", lambda: "of another day")
    assert begin() == 1 and begin() == 0
    monkeypatch.setattr(torch, "__version__", "of another day")
    assert begin() == 1 and begin() == 0


def test_what_was_built_for_checks_is_let_go_before_the_work(tmp_path):
    with Experiment(changed(settings(), tmp_path)) as experiment:
        tried = experiment.dry_run
        assert experiment.dry_run is tried
        experiment.begin(Run.__new__(Run))
        assert experiment._dry_run is None
