"""All that may be asked for at the table: every `Verb` that a file of this folder defines, by its name."""

import pkgutil
from importlib import import_module

from wm_lab.tasks.table.verbs.verb import Verb

for _found in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_found.name}")

VERBS: dict[str, Verb] = {kind.name: kind() for kind in Verb.__subclasses__()}

__all__ = ["VERBS", "Verb"]
