"""The Fetch arm of gymnasium_robotics."""

from wm_lab.tasks.fetch.task import FetchConfig, FetchTask

__all__ = ["FetchConfig", "FetchTask"]
