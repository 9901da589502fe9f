"""One run of the lab, from its first second to its verdict, however it ends.

    with Run(folder, config=config, config_text=text, facts={"device": "cpu"}) as run:
        run.log(step, **{"train/loss": loss})
        run.finish({"success": 0.97, "verdict": "planning helps"})

The run folder is the record; Weights & Biases is a view of it that may fail without consequence. A run that is left by
an exception or SIGTERM is recorded as failed, by Ctrl-C as interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wm_lab.errors import INTERRUPTED, UserError
from wm_lab.tracking.plain import plain_number, plain_value
from wm_lab.tracking.run_folder import RunFolder, State
from wm_lab.tracking.signals import Requeued, Signals
from wm_lab.tracking.wandb_run import Tracker, TrackingConfig


class Run:
    """A run folder and its tracker behind one interface; use it as a context manager.

    path: where the run writes; made if missing, and the same folder again continues the same run
    config: the resolved configuration as plain dicts, for the tracker's table
    config_text: the same as YAML, kept as config.yaml
    overrides: what was typed on the command line
    facts: what only the caller knows of the surroundings, such as device and physics version
    job_type: the exercise, which the tracker filters by
    """

    def __init__(
        self,
        path: Path | str,
        *,
        config: Mapping[str, Any],
        config_text: str,
        overrides: Sequence[str] = (),
        tracking: TrackingConfig | None = None,
        facts: Mapping[str, Any] | None = None,
        job_type: str | None = None,
    ) -> None:
        self.folder = RunFolder(path)
        self._signals = Signals()
        self._tracking = tracking or TrackingConfig()
        self._description = (config_text, overrides, facts or {})
        self._config, self._job_type = config, job_type
        self._tracker: Tracker | None = None
        self._ended = False

    def __enter__(self) -> Self:
        self._signals.install()
        try:
            self.folder.describe(*self._description)
            self.folder.begin()
            self._tracker = Tracker(self._tracking, self.folder.path, self._config, self._job_type)
        except BaseException as problem:
            with suppress(UserError):  # a folder that could not be begun cannot take the news either
                self._end(*_ending(problem))
            self._signals.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._end(*_ending(problem))
        finally:
            self._signals.remove()

    @property
    def rerun(self) -> bool:
        """Whether episodes and imaginations are wanted as a Rerun recording."""
        return self._tracking.rerun

    def log(self, step: int, **scalars: Any) -> None:
        """Record numbers at a step.

        Names that share their part before the first "/" share a step axis: "train/loss" is drawn over "train/step".
        """
        numbers = {name: plain_number(name, value) for name, value in scalars.items()}
        self.folder.log(step, numbers)
        if self._tracker:
            self._tracker.log(step, numbers)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
        """Keep a table as tables/<name>.csv, and show it."""
        rows = [[plain_value(value) for value in row] for row in rows]
        path = self.folder.table(name, columns, rows)
        if self._tracker:
            self._tracker.table(name, columns, rows)
        return path

    def image(self, name: str, path: Path | str) -> None:
        """Show a picture (PNG, JPEG or SVG) that the caller has saved, usually below `run.folder.plots`."""
        if self._tracker:
            self._tracker.image(name, Path(path))

    def video(self, name: str, path: Path | str) -> None:
        """Show a video (WebP, GIF, MP4 or WebM) that the caller has saved; `write_gif` makes one from frames."""
        if self._tracker:
            self._tracker.video(name, Path(path))

    def html(self, name: str, path: Path | str) -> None:
        """Show a self-contained HTML page that the caller has saved."""
        if self._tracker:
            self._tracker.html(name, Path(path))

    def finish(self, result: Mapping[str, Any]) -> Path:
        """Keep the answer as result.json and close the run as finished."""
        plain = plain_value(result)
        path = self.folder.result(plain)
        if self._tracker:
            self._tracker.summary(plain)
        self._end("finished", "", 0)
        return path

    def _end(self, state: State, reason: str, exit_code: int) -> None:
        """Close once; the folder first, because closing the tracker may wait for a server."""
        if self._ended:
            return
        self._ended = True
        try:
            self.folder.end(state, reason, exit_code)
        finally:
            if self._tracker:
                self._tracker.finish(exit_code)


def _ending(problem: BaseException | None) -> tuple[State, str, int]:
    """State, one-line reason and exit code of a run left by this exception."""
    if problem is None:
        return "finished", "", 0
    if isinstance(problem, KeyboardInterrupt):
        return "interrupted", "Ctrl-C", INTERRUPTED
    if isinstance(problem, SystemExit):
        code = problem.code if isinstance(problem.code, int) else int(problem.code is not None)
        if code == 0:
            return "finished", "", 0
        state: State = "interrupted" if isinstance(problem, Requeued) else "failed"
        return state, str(getattr(problem, "reason", f"exit code {code}")), code
    first_line = (str(problem).strip().splitlines() or [""])[0]
    return "failed", f"{type(problem).__name__}: {first_line}".rstrip(": "), 1
