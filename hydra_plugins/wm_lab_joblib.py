"""`hydra/launcher=joblib` whose processes end with the sweep; Hydra takes launchers from this namespace alone."""

import os
from collections.abc import Sequence

from hydra.core.utils import JobReturn
from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher


class MortalLauncher(JoblibLauncher):  # type: ignore[misc]  # which tells no types
    """What `wm_lab.launchers.sweep` puts in place of it: joblib's own processes stay five minutes after a kill."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from wm_lab.system.parent import leave_with  # late, for every Hydra program of this environment reads this file

        self.joblib |= {"initializer": leave_with, "initargs": (os.getpid(),)}
        ended: Sequence[JobReturn] = super().launch(job_overrides, initial_job_idx)
        return ended
