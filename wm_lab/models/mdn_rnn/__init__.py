"""World Models (Ha & Schmidhuber, 2018): an autoencoder, and an LSTM that foretells its latent by a mixture."""

from wm_lab.models.mdn_rnn.model import MDNRNN, MDNRNNConfig

__all__ = ["MDNRNN", "MDNRNNConfig"]
