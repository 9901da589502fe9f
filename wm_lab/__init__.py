"""wm_lab: which world model, with which planner, on which robot task, how well, and why?

What a script needs is offered here and imported when it is first used: `import wm_lab` itself loads nothing.
`docs/api.md` says what is stable.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False  # type checkers take it for true; importing `typing` for it would take time

if TYPE_CHECKING:
    from wm_lab.api import ask as ask
    from wm_lab.data.dataset import Dataset as Dataset
    from wm_lab.deploy.loaded_run import load_run as load_run
    from wm_lab.domains import Domain as Domain
    from wm_lab.errors import UserError as UserError
    from wm_lab.exercises.exercise import Answer as Answer
    from wm_lab.exercises.exercise import Exercise as Exercise
    from wm_lab.experiment.experiment import Experiment as Experiment
    from wm_lab.objectives import Objective as Objective
    from wm_lab.objectives import ObjectiveConfig as ObjectiveConfig
    from wm_lab.planners.elites import Elites as Elites
    from wm_lab.planners.plan import Plan as Plan
    from wm_lab.planners.planner import Planner as Planner
    from wm_lab.planners.planner import PlannerConfig as PlannerConfig
    from wm_lab.policy import Moment as Moment
    from wm_lab.policy import Policy as Policy
    from wm_lab.reports.tables import Table as Table
    from wm_lab.tasks.task import Expert as Expert
    from wm_lab.tasks.task import Task as Task
    from wm_lab.tasks.task import TaskSpec as TaskSpec
    from wm_lab.tasks.task import Variable as Variable
    from wm_lab.training.checkpoint import load_model as load_model
    from wm_lab.world_model import ActsItself as ActsItself
    from wm_lab.world_model import DataSpec as DataSpec
    from wm_lab.world_model import Imagination as Imagination
    from wm_lab.world_model import State as State
    from wm_lab.world_model import Tempered as Tempered
    from wm_lab.world_model import Windows as Windows
    from wm_lab.world_model import WorldModel as WorldModel
else:
    # The same once more, for whoever runs it (PEP 562); a test compares the two.
    _HOMES = {
        "wm_lab.api": ("ask",),
        "wm_lab.data.dataset": ("Dataset",),
        "wm_lab.deploy.loaded_run": ("load_run",),
        "wm_lab.domains": ("Domain",),
        "wm_lab.errors": ("UserError",),
        "wm_lab.exercises.exercise": ("Answer", "Exercise"),
        "wm_lab.experiment.experiment": ("Experiment",),
        "wm_lab.objectives": ("Objective", "ObjectiveConfig"),
        "wm_lab.planners.elites": ("Elites",),
        "wm_lab.planners.plan": ("Plan",),
        "wm_lab.planners.planner": ("Planner", "PlannerConfig"),
        "wm_lab.policy": ("Moment", "Policy"),
        "wm_lab.reports.tables": ("Table",),
        "wm_lab.tasks.task": ("Expert", "Task", "TaskSpec", "Variable"),
        "wm_lab.training.checkpoint": ("load_model",),
        "wm_lab.world_model": ("ActsItself", "DataSpec", "Imagination", "State", "Tempered", "Windows", "WorldModel"),
    }
    _HOME = {name: module for module, names in _HOMES.items() for name in names}

    def __getattr__(name):
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(_HOME[name]), name)

    def __dir__():
        return sorted({*globals(), *_HOME})
