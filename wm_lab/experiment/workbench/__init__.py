"""Everything an exercise may ask for, made at most once: data, trained models, played episodes.

What exists is found in the store under the hash of all that made it; what does not is made now, with progress shown.
"""

from wm_lab.experiment.workbench.bench import Workbench
from wm_lab.experiment.workbench.data import REST
from wm_lab.experiment.workbench.tools import identity

__all__ = ["REST", "Workbench", "identity"]
