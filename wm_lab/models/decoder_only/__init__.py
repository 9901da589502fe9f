"""One causal decoder over observations and actions: world model, policy and inverse model of one backbone."""

from wm_lab.models.decoder_only.model import DecoderOnly, DecoderOnlyConfig

__all__ = ["DecoderOnly", "DecoderOnlyConfig"]
