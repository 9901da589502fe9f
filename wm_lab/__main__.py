"""The command `wm-lab`, and `python -m wm_lab`.

Every worker process imports the file that its parent was started from; from here it gets nothing it has no need of.
"""

import os
import sys

from wm_lab.errors import MISTAKE, UserError, complain
from wm_lab.system.loading import spared
from wm_lab.system.streams import prepare_streams, require_folder, require_memory


def cli() -> None:
    prepare_streams()
    try:  # before PyTorch is loaded, whose libraries end the process without a word of ours
        require_folder()
        require_memory()
        if sys.argv[1:2] == ["play"]:
            with spared():
                from wm_lab.play.command import cli as play

            raise SystemExit(play(sys.argv[2:]))
        from wm_lab.help.screen import answer

        words = sys.argv[1:]
        if (told := answer(words)) is not None:
            print(told, flush=True)
            return
        from wm_lab.command_line.show_config import in_whole, is_asked, shown

        if is_asked(words):
            if (found := shown(words)) is None:
                raise SystemExit(in_whole(words))
            print(found.error, end="", file=sys.stderr)
            print(found.out, end="", flush=True)
            return
    except UserError as error:
        complain(error)
        raise SystemExit(MISTAKE) from None
    except BrokenPipeError:  # `wm-lab --help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    whole()


def whole() -> None:
    """Whatever takes all of the lab."""
    with spared():
        from wm_lab.main import cli

    cli()


if __name__ == "__main__":
    cli()
