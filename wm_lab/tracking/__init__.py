"""What a run leaves behind: its folder, its Weights & Biases view, and what it says while it works."""

from wm_lab.tracking.animation import write_gif
from wm_lab.tracking.progress import Progress, progress
from wm_lab.tracking.run import Run
from wm_lab.tracking.run_folder import RunFolder, Status
from wm_lab.tracking.wandb_run import Mode, Tracker, TrackingConfig

__all__ = ["Mode", "Progress", "Run", "RunFolder", "Status", "Tracker", "TrackingConfig", "progress", "write_gif"]
