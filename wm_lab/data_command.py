"""The command `wm-lab-data`: what a dataset holds, whether it is whole, and from one format to another.

wm-lab-data info PATH [--sheet FRAMES.png]       validate PATH
wm-lab-data import PATH FOLDER                   LeRobot, robomimic or Minari -> a dataset of the lab
wm-lab-data export PATH FOLDER                   a dataset of the lab -> LeRobot
wm-lab-data view PATH [--output FILE.rrd]        its episodes as a recording that opens in Rerun's viewer
"""

from __future__ import annotations

import argparse
import sys
from itertools import islice
from pathlib import Path

from wm_lab import __version__
from wm_lab.command_line.answered import answered
from wm_lab.errors import UserError
from wm_lab.formats.convert import export_dataset, import_dataset
from wm_lab.formats.detect import open_source
from wm_lab.formats.own import Own
from wm_lab.formats.source import Source, Wishes
from wm_lab.formats.survey import survey
from wm_lab.reports.filmstrip import grid, save_png
from wm_lab.reports.survey_tables import survey_tables
from wm_lab.reports.terminal import print_tables
from wm_lab.system.streams import prepare_streams
from wm_lab.tasks.extras import need
from wm_lab.tracking.progress import progress
from wm_lab.view.recording import RerunRecording
from wm_lab.view.sequences import ending, of_episode

IMAGE_SIZE = 64
"""Side of imported images: what the lab's models of images begin with."""

VIEWED = 20
"""Episodes of a recording for Rerun's viewer."""

SHEET = (6, 8)
"""Episodes and frames of each on a contact sheet."""


def cli() -> None:
    """The command line."""
    prepare_streams()
    sys.exit(main(sys.argv[1:]))


def main(words: list[str]) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(words)
    return answered("wm-lab-data", lambda: arguments.run(arguments), kept="nothing was written")


def info(arguments: argparse.Namespace) -> None:
    """Print what a dataset holds, and save frames of it."""
    if arguments.sheet and not arguments.sheet.parent.is_dir():
        raise UserError(f"there is no folder {arguments.sheet.parent} for --sheet; make it, or choose another")
    source = _open(arguments)
    episodes, frames = SHEET if arguments.sheet else (0, 0)
    with progress("read", len(source)) as bar:
        found = survey(source, min(episodes, len(source)), frames, bar.advance)
    if arguments.sheet:
        if not found.images:
            raise UserError(f"{arguments.path} holds no images; leave out --sheet")
        rows = {f"{key} {i + 1}": row for key, images in found.images.items() for i, row in enumerate(images)}
        save_png(grid(rows, [str(i + 1) for i in range(frames)]), arguments.sheet)
    print_tables(survey_tables(source, found))
    for line in [*source.notes, *found.oddities()]:
        print(line)
    if arguments.sheet:
        print(f"frames: {arguments.sheet}")


def validate(arguments: argparse.Namespace) -> None:
    """Read every byte; UserError where something is damaged or missing."""
    source = _open(arguments)
    if isinstance(source, Own):
        source.verify()
    with progress("read", len(source)) as bar:
        found = survey(source, advance=bar.advance)
    if missing := found.missing():
        raise UserError(f"{arguments.path} is not whole: {'; '.join(missing)}")
    for line in [*source.notes, *found.oddities()]:
        print(line)
    print(f"{arguments.path} is a whole {source.format} dataset: {len(source)} episodes, {source.rows} observations")


def import_(arguments: argparse.Namespace) -> None:
    """Write a foreign dataset as one of the lab's."""
    source = _open(arguments)
    if isinstance(source, Own):
        raise UserError(
            f"{arguments.path} is a dataset of the lab already; use it as it is: data.path={arguments.path}"
        )
    with progress("import", len(source)) as bar:
        import_dataset(source, arguments.folder, bar.advance)
    for line in source.notes:
        print(line)
    if not source.scale.is_identity:
        print("actions beyond [-1, 1] were scaled; task.settings in the manifest tells from what")
    print(f"{arguments.folder}: {len(source)} episodes; train on it with data=recorded data.path={arguments.folder}")


def export(arguments: argparse.Namespace) -> None:
    """Write one of the lab's datasets as LeRobot's."""
    source = _open(arguments)
    with progress("export", len(source)) as bar:
        export_dataset(source, arguments.folder, bar.advance)
    print(f"{arguments.folder}: {len(source)} episodes in LeRobot's format, version 3.0")


def view(arguments: argparse.Namespace) -> None:
    """Write the first episodes as a recording for Rerun's viewer."""
    need("rerun", "wm-lab-data view", "view")
    if arguments.episodes < 1:
        raise UserError(f"--episodes {arguments.episodes} shows nothing; say 1 or more")
    source = _open(arguments)
    output = arguments.output or Path(f"{arguments.path.resolve().name}.rrd")
    if output.suffix != ".rrd" or output.is_dir():
        what = "a folder" if output.is_dir() else "no .rrd file, which the viewer would open"
        raise UserError(f"--output {output} is {what}; choose another name, as in episodes.rrd")
    if not output.resolve().parent.is_dir():
        raise UserError(f"there is no folder {output.parent} for --output; make it, or choose another")
    count, steps = min(arguments.episodes, len(source)), 0
    with progress("view", count) as bar, RerunRecording(output, source.task_spec.name) as recording:
        for index, episode in enumerate(islice(source.episodes(), count)):
            title = ending(f"episode {source.kept[index]}", source.task_spec, episode)
            recording.sequence(title, of_episode(source.task_spec, episode, title, source.labels).shown)
            steps += episode.steps
            bar.advance(1)
    print(f"{output}: {count} of {len(source)} episodes, {steps} steps; look at it with: rerun {output}")


def _open(arguments: argparse.Namespace) -> Source:
    size = getattr(arguments, "image_size", 0)
    keys = getattr(arguments, "keys", None)
    without = tuple(getattr(arguments, "without", ()))
    if len(dict(arguments.map)) < len(arguments.map):
        raise UserError(f"--map {' '.join(f'{name}=…' for name, _ in arguments.map)} says one name twice; say it once")
    wishes = Wishes(size or None, arguments.hz, keys, without, dict(arguments.map))
    return open_source(arguments.path, wishes)


def _mapped(text: str) -> tuple[str, list[str]]:
    """ours=theirs,theirs"""
    name, _, columns = text.partition("=")
    if not name or not all(columns.split(",")):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form OURS=THEIRS, such as action=actions")
    return name, columns.split(",")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wm-lab-data", description="Datasets of robot episodes, in and out.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, told: str) -> argparse.ArgumentParser:
        found = commands.add_parser(name, help=told, description=told)
        found.add_argument("path", type=Path, metavar="PATH", help="a dataset of any known format")
        found.add_argument("--hz", type=float, help="control steps a second, where the format does not tell")
        found.add_argument(
            "--map",
            type=_mapped,
            nargs="+",
            default=[],
            metavar="OURS=THEIRS",
            help="which columns of a LeRobot folder are meant, where they are called otherwise: action=actions "
            "state=joints,gripper reward=r top=image",
        )
        found.set_defaults(run=run)
        return found

    look = command("info", info, "shapes, statistics, what is missing or odd")
    look.add_argument("--sheet", type=Path, metavar="PNG", help="save a contact sheet of frames")
    command("validate", validate, "read everything and say whether it is whole")
    bring = command("import", import_, "LeRobot, robomimic or Minari to a dataset of the lab")
    bring.add_argument("folder", type=Path, metavar="FOLDER", help="a new folder")
    bring.add_argument(
        "--image-size",
        type=int,
        default=IMAGE_SIZE,
        metavar="N",
        help="side of the square that images are brought to (default: %(default)s, 0: as recorded)",
    )
    bring.add_argument(
        "--keys", type=lambda text: text.split(","), metavar="A,B", help="observations to keep (default: all)"
    )
    bring.add_argument(
        "--without", type=int, nargs="+", default=[], metavar="EPISODE", help="numbers of episodes to leave out"
    )
    send = command("export", export, "a dataset to LeRobot's format, version 3.0")
    send.add_argument("folder", type=Path, metavar="FOLDER", help="a new folder")
    look = command("view", view, "episodes as a recording for Rerun's viewer: pip install 'wm_lab[view]'")
    look.add_argument("--output", type=Path, metavar="FILE.rrd", help="default: the dataset's name in this folder")
    look.add_argument("--episodes", type=int, default=VIEWED, metavar="N", help="the first ones (default: %(default)s)")
    return parser


if __name__ == "__main__":
    cli()
