"""Episodes: played (`rollout`), disturbed (`behaviours`), collected (`collect`), kept (`dataset`), drawn (`windows`).

Nothing is imported here, so that worker processes load only what they use.
"""
