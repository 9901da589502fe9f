"""How a sweep becomes jobs: what each is composed of, what is left of them, and the report they end in.

It works with Hydra's public interfaces; launchers that Hydra looks for are in `hydra_plugins/`.
"""
