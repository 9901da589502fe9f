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

        told = answer(sys.argv[1:])
        if told is not None:
            print(told, flush=True)
            return
    except UserError as error:
        complain(error)
        raise SystemExit(MISTAKE) from None
    except BrokenPipeError:  # `wm-lab --help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    with spared():
        from wm_lab.main import cli

    cli()


if __name__ == "__main__":
    cli()
