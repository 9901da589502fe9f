"""A task that is another one in all but what a subclass changes."""

from wm_lab.tasks.delegating import DelegatingTask
from wm_lab.tasks.task import Task

OF_ITS_OWN = {"goal_observation", "playable"}  # made of what is delegated; whoever delegates has something to play


def test_whatever_a_task_can_do_is_asked_of_the_other_one():
    asked = {name for name in vars(Task) if not name.startswith("_")}
    assert asked - vars(DelegatingTask).keys() == OF_ITS_OWN
