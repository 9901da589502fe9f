"""Hydra's own sweeper, which launches what is left of the sweep; Hydra takes sweepers from this namespace alone."""

from typing import Any

from wm_lab.command_line.hydra_internals import basic_sweeper


class RestSweeper(basic_sweeper.BasicSweeper):
    """What `wm_lab.launchers.sweep` puts in place of `hydra/sweeper=basic`."""

    def setup(self, **given: Any) -> None:
        from wm_lab.launchers.rest import Rest  # late, for every Hydra program of this environment reads this file

        super().setup(**given)
        assert self.launcher is not None
        self.launcher = Rest(self.launcher, given["hydra_context"].config_loader, given["config"])
