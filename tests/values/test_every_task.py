"""Every task that can be chosen has a goal to measure the way to, or says before any work what it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exercises.hand_lab import check, settings
from wm_lab.errors import UserError

pytestmark = pytest.mark.slow

CONF = Path(__file__).parents[2] / "conf" / "task"
TASKS = sorted(file.relative_to(CONF).with_suffix("").as_posix() for file in CONF.rglob("*.yaml"))
TASKS.remove("recorded")  # which nobody plans in
DISTANCE = "objective.goal_distance"
GOALS = (
    "fetch",
    "hand",
    "point_maze",
    "swm",
    "gym/reacher",
    "suite/fetch",
    "suite/hand",
    "suite/point_maze",
    "suite/reacher",
)
"""Those that can say what their goal looks like; and `gym`, which is MuJoCo's Reacher where no id is given."""

EXTRAS = {
    "fetch": "gymnasium_robotics",
    "point_maze": "gymnasium_robotics",
    "metaworld": "metaworld",
    "ogbench": "ogbench",
    "gym/pusht": "gym_pusht",
    "swm/pusht": "pymunk",
    "dmc": "dm_control",
    "planet": "dm_control",
}
"""What a task needs that the lab itself does not."""

EXPERTLESS = ("gym/pusht", "swm/pusht", "gym/half_cheetah", "dmc", "planet")
ALONE = ("data=random", "exercise.clone=false", "exercise.advised=false")


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize(("asked", "told"), [("value=graph", "value=graph"), (f"{DISTANCE}=1", f"{DISTANCE}=1.0")])
def test_a_task_has_a_goal_or_is_refused_by_name(name, asked, told):
    for prefix, module in EXTRAS.items():
        if name.removeprefix("suite/").startswith(prefix):
            pytest.importorskip(module)
    wanted = settings(f"task={name}", asked, *(ALONE if name.startswith(EXPERTLESS) else ()))
    if name.startswith(GOALS) or name == "gym":
        check(wanted)
    else:
        with pytest.raises(UserError, match=f"{told} needs a goal, and .* does not say"):
            check(wanted)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("model=simulator", "value=return"), "model=simulator learns nothing"),
        (("task.observation=pixels", "exercise.attribution=false", "value=graph"), "this model decodes pixels"),
        (("value=distance", "value.learnt_by=rank"), "did you mean ranking"),
    ],
)
def test_a_value_that_cannot_be_had_is_refused_before_any_work(words, told):
    with pytest.raises(UserError, match=told):
        check(settings(*words))
