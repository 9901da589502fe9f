"""wm_lab: which world model, with which planner, on which robot task, how well, and why?"""

__version__ = "0.1.0"
