"""A sample of the campaign of random command lines; `python -m tests.entry.campaign 2000` runs it in full."""

from __future__ import annotations

from tests.entry.campaign import trials


def test_random_command_lines_are_accepted_or_refused_in_a_sentence():
    assert not [trial for trial in trials(8, seed=16) if trial.fault]
