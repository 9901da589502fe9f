"""Everything that maps observations to actions."""

from wm_lab.policies.bc_policy import BCPolicy
from wm_lab.policies.behaviour_cloning import BehaviourCloning, BehaviourCloningConfig
from wm_lab.policies.mpc import MPC, Decision, MPCConfig
from wm_lab.policies.proposals import BCProposals, ProposalsConfig
from wm_lab.policies.scripted import DoNothing, ExpertPolicy, RandomPolicy, RandomPolicyConfig

__all__ = [
    "MPC",
    "BCPolicy",
    "BCProposals",
    "BehaviourCloning",
    "BehaviourCloningConfig",
    "Decision",
    "DoNothing",
    "ExpertPolicy",
    "MPCConfig",
    "ProposalsConfig",
    "RandomPolicy",
    "RandomPolicyConfig",
]
