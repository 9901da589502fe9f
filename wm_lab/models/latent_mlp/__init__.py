"""The smallest world model that plans: an encoder, a Gaussian latent, an MLP that moves it."""

from wm_lab.models.latent_mlp.model import LatentMLP, LatentMLPConfig

__all__ = ["LatentMLP", "LatentMLPConfig"]
