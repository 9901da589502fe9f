"""All that may be asked for at the table: every `Verb` that a file of this folder defines, by its name.

A verb of one's own is `my_module:Lift`, a class in a file of one's own.
"""

import pkgutil
from importlib import import_module

from wm_lab.errors import UserError, unknown
from wm_lab.tasks.gym.foreign import described
from wm_lab.tasks.table.verbs.verb import Verb

for _found in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_found.name}")

VERBS: dict[str, Verb] = {kind.name: kind() for kind in Verb.__subclasses__() if kind.__module__.startswith(__name__)}


def find(name: str) -> Verb:
    """The verb of this name; UserError where there is none."""
    module, _, attribute = name.partition(":")
    if not attribute:
        if name not in VERBS:
            raise unknown("verb in task.verbs", name, VERBS)
        return VERBS[name]
    try:
        kind = getattr(import_module(module), attribute)
    except Exception as error:
        raise UserError(
            f"{name} of task.verbs cannot be imported ({described(error)}); write module:Class, with the module's file "
            "in the folder given to --config-dir or installed"
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, Verb)):
        raise UserError(f"{name} of task.verbs is no Verb; see wm_lab/tasks/table/verbs/verb.py")
    return kind()


__all__ = ["VERBS", "Verb", "find"]
