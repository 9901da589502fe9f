"""The workbench as exercises know it, and what it refuses before any work."""

from __future__ import annotations

from wm_lab.data.window_reader import require_episodes
from wm_lab.errors import UserError
from wm_lab.experiment.checks import check_playing, check_training
from wm_lab.experiment.workbench.evaluation import Evaluation
from wm_lab.tasks.variation import NONE


class Workbench(Evaluation):
    """`dataset`, `demonstrations` and `manifest` are in data.py, `world_model` and `clone` in training.py."""

    def check(self) -> None:
        """Raise UserError for settings that cannot work together, before anything is made."""
        check_training(self.settings, self.task)
        if self.task.playable:
            check_playing(self.settings, self.evaluated)
        if self.data.path is not None:
            require_episodes(self.recording, "train")

    def require_playable(self, exercise: str) -> None:
        """Raise UserError unless there is a simulator to play in."""
        if not self.task.playable:
            raise UserError(
                f"{exercise} plays episodes, and {self.card.name} is a recording without a simulator; choose "
                "exercise=imagination or exercise=latent, or the task that was recorded"
            )

    def require_nominal(self, exercise: str) -> None:
        """Raise UserError where evaluation episodes are to vary: this exercise plays none."""
        if self.settings.variation != NONE:
            raise UserError(
                f"evaluation.variation={self.settings.variation} is for episodes that arms are compared on, and "
                f"{exercise} looks at episodes like those of the collection; set evaluation.variation=none, or choose "
                "exercise=planning or exercise=augmentation"
            )
