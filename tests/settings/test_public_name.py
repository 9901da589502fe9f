"""A class is stored under a name that survives where its file moves to."""

import pytest

from wm_lab.models.latent_mlp import LatentMLP
from wm_lab.models.rssm import RSSM
from wm_lab.models.rssm.model import RSSMState
from wm_lab.planners.cem import CEM
from wm_lab.settings import public_name


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (RSSM, ("wm_lab.models.rssm", "RSSM")),
        (LatentMLP, ("wm_lab.models.latent_mlp", "LatentMLP")),
        (CEM, ("wm_lab.planners.cem", "CEM")),
        (RSSMState, ("wm_lab.models.rssm.model", "RSSMState")),  # a part that the family does not offer
    ],
)
def test_a_family_lends_its_name_to_the_model_it_offers(kind, name):
    assert public_name(kind) == name
