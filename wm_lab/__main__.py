"""`python -m wm_lab`"""

from wm_lab.main import cli

if __name__ == "__main__":
    cli()
