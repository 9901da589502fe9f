"""The entrypoint: compose the configuration, check it, run one exercise, keep its answer.

`wm-lab` and `python -m wm_lab` both end here. Everything that a user can mend ends in one sentence and exit code 2;
`HYDRA_FULL_ERROR=1` shows the traceback instead.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from wm_lab import config as schema
from wm_lab.errors import UserError
from wm_lab.exercises.exercise import Answer, Exercise
from wm_lab.exercises.settings import Settings
from wm_lab.exercises.workbench import Workbench
from wm_lab.device import choose_device
from wm_lab.reports.page import write_page
from wm_lab.reports.style import save
from wm_lab.settings import build, read_config
from wm_lab.tracking.run import Run
from wm_lab.tracking.wandb_run import TrackingConfig

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
CONF = next((f for f in (HERE / "conf", HERE.parent / "conf") if (f / "config.yaml").is_file()), HERE / "conf")
"""Inside an installed wheel, or beside the package in a checkout, where a user edits it."""

SECTIONS = ("exercise", "task", "model", "planner", "objective", "mpc", "bc", "data", "trainer", "bc_trainer")
MISTAKE = 2  # exit code of whatever the user can mend
INTERRUPTED = 130

schema.register()


def run(cfg: DictConfig) -> Answer:
    """One run, in the folder that Hydra made for it."""
    settings, tracking = read(cfg)
    folder = Path(HydraConfig.get().runtime.output_dir)
    text = OmegaConf.to_yaml(cfg, resolve=True)
    exercise: Exercise = build(settings.exercise, "exercise")
    bench = Workbench(settings)
    bench.check()
    exercise.check(bench)
    facts = {"device": settings.device, "physics": bench.card.physics}
    with bench, Run(
        folder,
        config=OmegaConf.to_container(cfg, resolve=True, enum_to_str=True),  # type: ignore[arg-type]
        config_text=text,
        overrides=list(HydraConfig.get().overrides.task),
        tracking=tracking,
        facts=facts,
        job_type=settings.label("exercise"),
    ) as record:
        bench.run = record
        log.info("%s on %s, device %s, %s", settings.label("exercise"), bench.card.name, settings.device, folder)
        answer = exercise.run(bench)
        keep(answer, record, bench)
    show(answer, folder)
    return answer


def read(cfg: DictConfig) -> tuple[Settings, TrackingConfig]:
    """Plain, resolved and complete settings."""
    plain: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True, enum_to_str=True)  # type: ignore[assignment]
    choices = HydraConfig.get().runtime.choices
    labels = {group: str(choices[group]) for group in ("exercise", "task", "model", "planner", "objective", "scale")}
    settings = Settings(
        **{name: plain[name] for name in SECTIONS},
        demonstrations=plain["demonstrations"],
        seed=plain["seed"],
        device=choose_device(plain["device"]),
        workers=plain["workers"],
        store=Path(hydra.utils.to_absolute_path(plain["outputs"])) / "store",
        labels=labels,
    )
    tracking: TrackingConfig = read_config(TrackingConfig, plain["tracking"], "tracking")
    if tracking.group is None and HydraConfig.get().mode == hydra.types.RunMode.MULTIRUN:
        tracking.group = Path(HydraConfig.get().sweep.dir).name
    return settings, tracking


def keep(answer: Answer, record: Run, bench: Workbench) -> None:
    """Plots, tables, page and numbers into the run folder and to the tracker."""
    plots = {name: save(figure, record.folder.plots / f"{name}.svg") for name, figure in answer.figures.items()}
    for name, plot in plots.items():
        record.image(name, plot)
    for name, picture in answer.pictures.items():
        (record.video if picture.suffix == ".gif" else record.image)(name, picture)
    for table in answer.tables:
        record.table(table.title, table.columns, table.rows)
    title = f"{bench.settings.label('exercise')}: {bench.card.name}"
    page = write_page(record.folder.path / "report.html", title, verdicts=answer.verdicts, tables=answer.tables, figures=plots | answer.pictures)
    record.html("report", page)
    record.finish(
        {
            "exercise": bench.settings.label("exercise"),
            "labels": bench.settings.labels,
            "task": bench.card.name,
            "seed": bench.settings.seed,
            "verdict": answer.verdicts[0],
            "verdicts": answer.verdicts,
            "numbers": answer.numbers,
            "seconds": bench.seconds,
        }
    )


def show(answer: Answer, folder: Path) -> None:
    """The answer on the terminal, the verdict last."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    for table in answer.tables:
        console.print(table.rich())
    for verdict in answer.verdicts:
        console.print(f"[bold]{verdict}[/bold]" if verdict == answer.verdicts[0] else verdict)
    console.print(f"results: {folder}", soft_wrap=True)


def cli() -> None:
    """The command `wm-lab`."""
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach the handlers below, which say them in one sentence
    share_user_code(sys.argv[1:])
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(_job)()
    except KeyboardInterrupt:
        print("wm-lab: interrupted; what was finished is kept, and the same command goes on from there", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except (UserError, HydraException, OmegaConfBaseException, FloatingPointError) as error:
        if wants_traceback:
            raise
        print(f"wm-lab: {sentence(error)}", file=sys.stderr)
        sys.exit(MISTAKE)


def _job(cfg: DictConfig) -> None:
    run(cfg)


def sentence(error: BaseException) -> str:
    """An error in one line; Hydra's own speak over several."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    useful = [line for line in lines if not line.startswith(("full_key:", "object_type=", "reference_type="))]
    return " ".join(useful) or type(error).__name__


def share_user_code(arguments: list[str]) -> None:
    """Python files beside the YAML of `--config-dir` can be imported, here and in worker processes."""
    for i, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name in ("--config-dir", "-cd"):
            folder = str(Path(value or (arguments[i + 1] if i + 1 < len(arguments) else ".")).absolute())
            sys.path.insert(0, folder)
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH", "")]))
