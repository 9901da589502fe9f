"""The command `wm-lab`, and `python -m wm_lab`.

Every worker process imports the file that its parent was started from; from here it gets nothing it has no need of.
"""


def cli() -> None:
    from wm_lab.main import cli

    cli()


if __name__ == "__main__":
    cli()
