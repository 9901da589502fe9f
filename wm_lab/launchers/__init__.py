"""How a sweep becomes jobs: what each is composed of, what is left of them, and the report they end in.

Beside `main.py` and `config.py` the only room that knows Hydra; launchers that Hydra looks for are in `hydra_plugins/`.
"""
