"""The command `wm-lab`, and `python -m wm_lab`.

Every worker process imports the file that its parent was started from; from here it gets nothing it has no need of.
"""

from wm_lab.errors import MISTAKE, UserError, complain
from wm_lab.streams import prepare_streams, require_folder, require_memory


def cli() -> None:
    prepare_streams()
    try:  # before PyTorch is loaded, whose libraries end the process without a word of ours
        require_folder()
        require_memory()
    except UserError as error:
        complain(error)
        raise SystemExit(MISTAKE) from None
    from wm_lab.main import cli

    cli()


if __name__ == "__main__":
    cli()
