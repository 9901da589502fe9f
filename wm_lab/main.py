"""The entrypoint: compose the configuration, check it, run one exercise, keep its answer.

`wm-lab` and `python -m wm_lab` (`__main__.py`) both end here. Everything that a user can mend ends in one sentence and
exit code 2; `HYDRA_FULL_ERROR=1` shows the traceback as well.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from wm_lab import config as schema
from wm_lab.behaviours.behaviour import Behaviour
from wm_lab.command_line.arguments import understood
from wm_lab.command_line.folders import CONF, config_folders, share_user_code
from wm_lab.command_line.hydra_internals import yaml_of
from wm_lab.command_line.mistakes import explain
from wm_lab.domains import check_domains
from wm_lab.errors import INTERRUPTED, MISTAKE, UserError, complain
from wm_lab.evaluation.outcomes import runs
from wm_lab.exercises.exercise import Answer, Exercise
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.run_settings import RERANKER, Settings
from wm_lab.launchers.resume import finished_before, resumed
from wm_lab.launchers.sweep import SweepWatch
from wm_lab.planners.planner import Planner
from wm_lab.reports.chapters import asked
from wm_lab.reports.drawing import Figures
from wm_lab.reports.metric import check_metric, metrics_of, require_test
from wm_lab.reports.page import write_page
from wm_lab.reports.provenance import main_artifacts, run_table, used_table
from wm_lab.reports.runs import read_run, save_outcomes
from wm_lab.reports.terminal import print_answer
from wm_lab.settings import (
    build,
    config_of,
    plain_values,
    read_config,
    require_known,
    require_section,
    target,
)
from wm_lab.system.device import choose_device
from wm_lab.system.names import file_name
from wm_lab.system.streams import let_logs_fail, prepare_streams, require_folder
from wm_lab.tasks.extras import need
from wm_lab.tasks.renderer import choose_renderer
from wm_lab.tasks.task import Task
from wm_lab.tracking.progress import of_job
from wm_lab.tracking.run import Run
from wm_lab.tracking.run_folder import remove_empty
from wm_lab.tracking.wandb_run import TrackingConfig
from wm_lab.values.value import Value
from wm_lab.view.sequences import save_viewed
from wm_lab.world_model import WorldModel

log = logging.getLogger(__name__)

KINDS: dict[str, type] = {
    "exercise": Exercise,
    "task": Task,
    "model": WorldModel,
    "planner": Planner,
    "behaviour": Behaviour,
    "local_planner": Planner,
    "value": Value,
}
"""What the class of a section must be."""

RECORDING = "recording.rrd"
"""What Rerun's viewer opens of a run, with tracking.rerun=true."""

TRACEBACK = "WM_LAB_TRACEBACK"
"""Environment variable that keeps the user's HYDRA_FULL_ERROR, here and in launchers' processes."""

schema.register()


def run(cfg: DictConfig, name: str = "") -> Answer:
    """One run, in the folder that Hydra made for it.

    name: of a job of a sweep, which ends in one line: the tables come once, at the end of all
    """
    plain = resolved(cfg)
    text = yaml_of(plain)
    settings, tracking = chosen(plain)
    folder = Path(HydraConfig.get().runtime.output_dir)
    exercise = build(Exercise, settings.exercise, "exercise")
    if tracking.rerun:
        need("rerun", "tracking.rerun=true", "view")  # before any work
    with Experiment(settings) as experiment:
        if not name:  # of a sweep another job may read it
            experiment.require_read(f"exercise={settings.label('exercise')}", exercise.unread(settings), typed())
        experiment.check()
        exercise.check(experiment)
        require_test(cfg.optimized_metric, experiment.task_spec)
        with Run(
            folder,
            config=plain,
            config_text=text,
            overrides=typed(),
            tracking=tracking,
            facts={"device": settings.device, "physics": experiment.task_spec.physics},
            job_type=settings.label("exercise"),
        ) as record:
            experiment.begin(record)
            log.info(
                "%s on %s, device %s, %s",
                settings.label("exercise"),
                experiment.task_spec.name,
                settings.device,
                folder,
            )
            answer = exercise.run(experiment)
            keep(answer, record, experiment)
    if name:
        print(f"{name}: {answer.verdicts[0]} {folder}", flush=True)
    else:
        print_answer(answer, folder, main_artifacts(experiment.tools.used, settings.store))
    return answer


def exercise_class(section: Mapping[str, Any]) -> type[Exercise]:
    """The class of the exercise that a section is of."""
    return target(Exercise, section, "exercise")


def typed() -> list[str]:
    """What has this run again, and it alone: not the search that chose it."""
    return [word for word in HydraConfig.get().overrides.task if not word.startswith("hparams_search=")]


def read(cfg: DictConfig) -> tuple[Settings, TrackingConfig]:
    """Plain, resolved and complete settings."""
    return chosen(resolved(cfg))


def chosen(plain: dict[str, Any]) -> tuple[Settings, TrackingConfig]:
    """The same of what is resolved already, which takes a while."""
    choices = HydraConfig.get().runtime.choices
    labels = {
        group: str(choices[group])
        for group in ("exercise", "task", "model", "planner", "objective", "value", "behaviour", "scale")
    }
    if choices.get(RERANKER) is not None:
        labels[RERANKER] = str(choices[RERANKER])
    store = Path(hydra.utils.to_absolute_path(schema.home(plain["outputs"]))) / "store"
    device, renderer = choose_device(plain["device"]), choose_renderer(plain["renderer"])
    settings = schema.settings_of(plain, labels, device, store, renderer)
    tracking = read_config(TrackingConfig, plain["tracking"], "tracking")
    if tracking.group is None and is_multirun():
        tracking.group = Path(HydraConfig.get().sweep.dir).name
    return settings, tracking


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """Plain values; UserError where a part is no section, or a number that others are reckoned from is senseless."""
    typed_in = plain_values(cfg)
    require_known(typed_in, [option.name for option in fields(schema.RootConfig)])  # a `+` lets any name in
    for name in (*schema.SECTIONS, "tracking"):
        require_section(typed_in[name], name)
    for name, base in KINDS.items():
        target(base, typed_in[name], name)
    check_domains(schema.RootConfig, typed_in)
    check_domains(config_of(target(Task, typed_in["task"], "task")), typed_in["task"], "task")
    plain = plain_values(cfg, resolve=True)
    check_domains(schema.RootConfig, plain)
    return plain


def keep(answer: Answer, record: Run, experiment: Experiment) -> None:
    """Plots, tables, page and numbers into the run folder and to the tracker."""
    exercise, figures = experiment.settings.label("exercise"), Figures(answer.figures)
    plots = {
        name: figures.save(name, record.folder.plots / f"{file_name(name)}.svg", experiment.tools.store)
        for name in figures
    }
    for name, plot in plots.items():
        record.image(name, plot)
    for name, picture in answer.pictures.items():
        (record.video if picture.suffix == ".gif" else record.image)(name, picture)
    for moving in answer.clips:
        record.video(moving.name, moving.path)
    if answer.viewed:
        save_viewed(answer.viewed, record.folder.path / RECORDING, f"{exercise} on {experiment.task_spec.name}")
    for table in answer.tables:
        record.table(table.title, *table.tidy())
    save_outcomes(record.folder.path, answer.outcomes)
    manifests = [runs(arm)[0].manifest for arm in answer.outcomes.values()]
    page = write_page(
        record.folder.path / "report.html",
        f"{exercise}: {experiment.task_spec.name}",
        exercise=exercise,
        about=asked(exercise, experiment.task_spec.instruction),
        verdicts=answer.verdicts,
        tables=[
            *answer.tables,
            run_table(read_run(record.folder.path), manifests, experiment.tools.seconds),
            used_table(experiment.tools.used, experiment.settings.store),
        ],
        clips=answer.clips,
        figures=plots | answer.pictures,
        texts={"settings": (record.folder.path / "config.yaml").read_text(encoding="utf-8")},
    )
    record.html("report", page)
    record.finish(
        {
            "exercise": exercise,
            "labels": experiment.settings.labels,
            "task": experiment.task_spec.name,
            "seed": experiment.settings.seed,
            "seeds": experiment.settings.seeds,
            "verdict": answer.verdicts[0],
            "verdicts": answer.verdicts,
            "numbers": answer.numbers,
            "model": answer.model,
            "seconds": experiment.tools.seconds,
            "store": os.path.relpath(experiment.settings.store, record.folder.path),
            "used": [used._asdict() for used in experiment.tools.used],
            **metrics_of(exercise_class(experiment.settings.exercise).metric, answer.numbers, answer.outcomes),
        }
    )


def cli() -> None:
    """The command `wm-lab`."""
    os.environ.setdefault(TRACEBACK, os.environ.get("HYDRA_FULL_ERROR", "0"))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach the handlers below, which say them in one sentence
    own: list[Path] = []
    SweepWatch.current = None
    try:
        prepare_streams()
        require_folder()
        sys.argv[1:] = understood(resumed(sys.argv[1:]), CONF)
        own += config_folders(sys.argv[1:])
        share_user_code(own)
        SweepWatch.user_code = own
        try:
            hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(job)()
        finally:
            if SweepWatch.current is not None:
                SweepWatch.current.close()
    except KeyboardInterrupt:
        complain("interrupted; what was finished is kept, and the same command goes on from there")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # `wm-lab --help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        told = explain(error, [CONF, *own])
        if told is None or wants_traceback():
            raise
        complain(told)
        sys.exit(MISTAKE)


def job(cfg: DictConfig) -> float | None:
    """One run, whose failure is told here: on its own it ends the program, in a sweep the others go on.

    Returns the number that `optimized_metric` names, for sweepers that search.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    let_logs_fail()  # also where a launcher's process runs this
    try:
        metric = exercise_class(plain_values(cfg.exercise)).metric
        check_metric(cfg.optimized_metric, metric, HydraConfig.get().runtime.choices["exercise"])
        if is_multirun() and finished_before(folder, partial(OmegaConf.to_yaml, cfg, resolve=True)) is not None:
            log.info("finished before: %s", folder)
        elif is_multirun():
            with of_job(name := job_name(folder)):
                run(cfg, name)
        else:
            run(cfg)
        return (read_run(folder).result or {}).get(cfg.optimized_metric)
    except Exception as error:
        told = explain(error)
        if wants_traceback() or (told is None and is_multirun()):
            traceback.print_exc()
        if is_multirun():
            complain(f"{' '.join(HydraConfig.get().overrides.task)}: {told or repr(error)}")
            raise JobFailed("a job of the sweep failed; the lines above say which and why") from None
        if told is None:
            raise
        complain(told)
        sys.exit(MISTAKE)
    finally:
        remove_empty(folder, Path(schema.home(cfg.outputs)).absolute())  # of a run that was refused before any work


class JobFailed(UserError):
    """What a sweep hears of a job whose own error has been told."""


def job_name(folder: Path) -> str:
    """`#3 planning hand/push`: by its folder in the sweep, and what it asks of what."""
    choices = HydraConfig.get().runtime.choices
    return f"#{folder.name} {choices['exercise']} {choices['task']}"


def is_multirun() -> bool:
    return HydraConfig.get().mode == RunMode.MULTIRUN


def wants_traceback() -> bool:
    return os.environ.get(TRACEBACK) == "1"


if __name__ == "__main__":
    sys.exit("this file is no command; call `wm-lab`, or `python -m wm_lab`")
