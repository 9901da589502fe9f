"""The words of lightning-hydra-template are answered with what they are called here."""

from __future__ import annotations

import pytest

from tests.entry.command import QUIET, wm_lab
from wm_lab.settings.template_words import CALLED_HERE, called_here


@pytest.mark.parametrize(
    ("typed", "here"),
    [
        ("debug=default", "scale=smoke"),
        ("+debug=default", "scale=smoke"),
        ("logger=wandb", "tracking=wandb"),
        ("~logger", "tracking=wandb"),
        ("ckpt_path=/some/file.ckpt", "the same command continues"),
        ("trainer.max_epochs=3", "trainer.steps"),
        ("+trainer.max_epochs=3", "trainer.steps"),
        ("trainer=gpu", "device="),
        ("model.optimizer.lr=0.1", "trainer.learning_rate"),
        ("paths.output_dir=/some/where", "outputs=FOLDER"),
    ],
)
def test_a_word_of_the_template_is_answered_with_ours(tmp_path, typed, here):
    ended = wm_lab(tmp_path, *QUIET, typed)
    assert ended.code == 2 and "lightning-hydra-template" in ended.complaint and here in ended.complaint
    assert not list(tmp_path.iterdir())


def test_no_word_of_ours_is_taken_for_one_of_the_template(tmp_path):
    assert called_here("trainer.steps") is None and called_here("model") is None
    ended = wm_lab(tmp_path, *QUIET, "trainer.clipp=1")
    assert "did you mean trainer.clip?" in ended.complaint and "template" not in ended.complaint


def test_every_word_has_an_answer_of_one_line():
    assert all(words and "\n" not in words for words in CALLED_HERE.values())


@pytest.mark.parametrize(("typed", "told"), [("+sed=3", "did you mean seed or seeds?"), ("~nothing", "--help")])
def test_a_name_that_nobody_knows_is_refused_also_where_hydra_lets_it_in(tmp_path, typed, told):
    ended = wm_lab(tmp_path, *QUIET, typed)
    assert ended.code == 2 and told in ended.complaint
