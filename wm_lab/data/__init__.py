"""Episodes: played (`rollout`), explored (`behaviours`), collected (`collect`), stored (`dataset`) and drawn (`windows`).

Nothing is imported here, so that worker processes load only what they use.
"""
