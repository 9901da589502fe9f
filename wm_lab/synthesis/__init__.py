"""Demonstrations nobody gave: where they are played (`world`), how (`generators`), which to believe (`filters`)."""
