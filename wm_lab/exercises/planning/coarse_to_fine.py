"""Planning from coarse to fine: the run's own model is searched, a second one re-ranks the elites.

The second model learns from the same data as the first and is kept in the store like it, so that one run's reranker is
another run's model.
"""

from __future__ import annotations

from typing import Any

from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import Manifest
from wm_lab.experiment.arms import SIMULATOR, Dynamics, PlanningArm
from wm_lab.experiment.checks import check_training
from wm_lab.experiment.chosen import is_simulator
from wm_lab.experiment.dry_run import DryRun
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.run_settings import RERANKER, Section, Settings
from wm_lab.experiment.scoring import imagined_steps
from wm_lab.reports.tables import Table
from wm_lab.settings import complete, require_section

RERANKED = "mpc_reranked"


def check_reranker(experiment: Experiment, section: Section) -> None:
    """Raise UserError where the second model could not be trained or asked."""
    settings = experiment.settings
    if is_simulator(settings):
        raise UserError(
            "model=simulator plans in the truth, which no second model can correct; choose a learned model, or set "
            f"{RERANKER}=null"
        )
    second = DryRun(second_settings(settings, section), experiment.task, experiment.tools.store)
    check_training(second)
    experiment.dry_run.plan(reranker=second)


def reranked_arm(experiment: Experiment, section: Section) -> PlanningArm:
    """Both models are trained when they are asked for; the true simulator as the second one shows the ceiling."""
    second = second_settings(experiment.settings, section)
    reranker: Dynamics = SIMULATOR if is_simulator(second) else experiment.models.world_model(other=second)
    return PlanningArm(RERANKED, experiment.settings, experiment.models.world_model(), reranker=reranker)


def cost_of_a_decision(experiment: Experiment, section: Section, manifest: Manifest) -> tuple[dict[str, Any], Table]:
    """Imagined steps of either model in one decision: what it costs, whatever the machine."""
    arm = reranked_arm(experiment, section)
    steps = imagined_steps(experiment.tools.make_evaluated, arm.build, manifest.seeds[0], experiment.tools.workers)
    labels = {"searched": experiment.settings.label("model"), "reranked": experiment.settings.label(RERANKER)}
    numbers = {part: {"model": labels[part], "imagined_steps": count} for part, count in steps.items()}
    rows = [(part, labels[part], f"{count:,}") for part, count in steps.items()]
    caption = f"Of one decision of {RERANKED}; its milliseconds stand in the table of success."
    title = "What coarse to fine costs"
    return numbers, Table(title, ("", "model", "imagined steps"), rows, frozenset({"", "model"}), caption)


def second_settings(settings: Settings, section: Section) -> Settings:
    """The same run of the second model, with every option of it."""
    require_section(section, RERANKER)
    return settings.with_model(complete(section, RERANKER), settings.label(RERANKER))
