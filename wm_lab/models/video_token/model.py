"""Tokenised video: frames as discrete codes, and a transformer that writes the next one (IRIS, Genie, STORM, Δ-IRIS).

    codes_t = FSQ(encoder(o_t, ...))      h_t, p(codes_t) = transformer(codes_{<t}, vectors_{<t}, a_{<=t})
    loss = decoder + tokens (a vector's codes) + dynamics (cross-entropy of the codes) + reward + continue + open loop

A belief is the keys and values of the frames within `context`, computed once, and the present frame; imagination goes
on from there for all candidates at once (see `attention.py`) and never decodes an image. In `eval()` mode codes are
expected ones, while training they are drawn. Where only images are observed, whose codes show no velocity, heads read
the previous action beside h.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from wm_lab.errors import UserError
from wm_lab.models.parts.attention import Suffix, frame_causal, visible
from wm_lab.models.parts.cache import Cache
from wm_lab.models.parts.feature_model import FeatureModel
from wm_lab.models.parts.fsq import FSQ
from wm_lab.models.parts.heads import Heads, Roll
from wm_lab.models.parts.images import images_alone
from wm_lab.models.video_token.config import VideoTokenConfig
from wm_lab.models.video_token.dynamics import TokenDynamics
from wm_lab.models.video_token.latent_actions import LatentActions
from wm_lab.models.video_token.tokenizer import TokenDecoder, Tokenizer
from wm_lab.world_model import DataSpec, Imagination, State, Windows


@dataclass
class VideoTokenState(State):
    cache: Cache  # of the frames before the present one
    position: Tensor  # [B] steps of the episode so far, from 0
    h: Tensor  # [B, W, and A with images alone] the transformer's output that predicted the present frame
    codes: Tensor  # [B, codes, dims]
    vector: Tensor  # [B, V], normalised
    frame: Tensor  # [B, C] the context frame, which images are coded relative to


@dataclass
class TokenizedSteps:
    """Observed steps [B, T, ...] with all that the transformer made of them."""

    cache: Cache  # past and these steps
    episode: Tensor  # [B, L] of each cached token
    position: Tensor
    present: Tensor  # [B, T] the episode's number at every step
    linked: Tensor  # [B, T] bool, the step before was observed
    h: Tensor
    token_outputs: Tensor  # [B, T, tokens, W] the codes were predicted from them
    codes: Tensor
    vector: Tensor
    before: Tensor  # [B, T, V] the vector one step earlier
    frame: Tensor


class VideoToken(FeatureModel):
    Config = VideoTokenConfig
    config: VideoTokenConfig
    REVISION = 5

    def __init__(self, config: VideoTokenConfig, spec: DataSpec):
        super().__init__()
        self.config, self.spec, self.labelled = config, spec, config.latent_actions.labelled
        self.latent: LatentActions | None = None
        if config.latent_actions.levels:
            self.latent = LatentActions(config, spec)
            spec = self.latent.spec
        fsq = FSQ(config.levels)
        tokenizer = Tokenizer(config, spec, fsq)
        read, frame = tokenizer.vectors.read_size, tokenizer.images.context_size
        self.dynamics = TokenDynamics(config, fsq, tokenizer.codes, prompt=spec.action_size + read + frame)
        self.heads_see_action = images_alone(spec)
        flat, width = tokenizer.codes * fsq.dims, config.width + self.heads_see_action * spec.action_size
        decoder = TokenDecoder(tokenizer, width, config.image_scale)
        self.heads = Heads(config, spec, width + read + flat + frame, tokenizer.vectors.size + flat, decoder)

    @property
    def tokenizer(self) -> Tokenizer:
        assert isinstance(self.heads.decoder, TokenDecoder)
        return self.heads.decoder.tokenizer

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        config, vectors = self.config, self.tokenizer.vectors
        if windows.shape[1] < config.context:
            raise UserError(
                f"model.context={config.context} is longer than windows of {windows.shape[1]} steps, so that its far "
                "end would never be trained; lower it or raise trainer.length"
            )
        more: dict[str, Tensor] = {}
        if self.latent is not None:
            windows, more = self.latent.infer_codes(windows)
        tokenized = self._tokenize(windows, None)
        codes = tokenized.codes.flatten(-2)
        features = self._features(tokenized.h, tokenized.vector, tokenized.codes, tokenized.frame)
        terms = self.heads.losses(features, windows, torch.cat([tokenized.vector, codes], -1))
        if vectors.codes:
            coded = vectors.decode(self.tokenizer.split(tokenized.codes)[1], tokenized.before, windows.action)
            terms["tokens"] = config.decoder_scale * vectors.error(coded, tokenized.vector) * tokenized.linked
        surprise = self.dynamics.loss(tokenized.token_outputs, tokenized.codes)
        terms["dynamics"] = config.dynamics_scale * surprise * tokenized.linked
        total, logs = self.total_loss(terms | more, windows, lambda rows, t: self._roll_from(tokenized, rows, t))
        counts = tokenized.linked & windows.valid
        used = self.tokenizer.fsq.index(tokenized.codes[counts].detach()).unique().numel() / self.tokenizer.fsq.size
        return total, logs | {"codes_used": total.new_tensor(used)}

    def observe(self, windows: Windows, state: State | None = None) -> tuple[VideoTokenState, Imagination]:
        assert state is None or isinstance(state, VideoTokenState)
        windows = windows if self.latent is None else self.latent.to_codes(windows)
        tokenized = self._tokenize(windows, state)
        features = self._features(tokenized.h, tokenized.vector, tokenized.codes, tokenized.frame)
        kept = (self.config.context - 1) * self.dynamics.group_size
        cache = tokenized.cache.seen_where(tokenized.episode == tokenized.present[:, -1:])
        cache = self.dynamics.transformer.nothing(len(features), kept).then(cache).last(kept)
        parts = (tokenized.position, tokenized.h, tokenized.codes, tokenized.vector, tokenized.frame)
        return VideoTokenState(cache, *(part[:, -1] for part in parts)), self.observed(features, windows)

    def appearance(self, features: Tensor) -> Tensor:
        assert isinstance(self.heads.decoder, TokenDecoder)
        return self.heads.decoder.appearance(features)

    def imagine(self, state: State, actions: Tensor) -> Imagination:
        assert isinstance(state, VideoTokenState)
        self.check_actions(state, actions, "BNHA")
        actions = actions if self.latent is None else self.latent.adapt(actions)
        features = self._roll(state, actions, likely=not self.training)
        return self.imagined(self._features(state.h, state.vector, state.codes, state.frame), features, actions)

    def step(self, state: State, actions: Tensor) -> tuple[VideoTokenState, Imagination]:
        assert isinstance(state, VideoTokenState)
        self.check_actions(state, actions, "BA")
        actions = actions if self.latent is None else self.latent.adapt(actions)
        x = self.dynamics.group(state.codes, self._prompt(state.vector, state.frame, actions))
        kept = state.cache.step.shape[1]
        outputs, cache = self.dynamics.transformer.append(x, state.position, state.cache, kept)
        h, vector, codes = self._predict(outputs, state.vector, actions, likely=not self.training)
        after = VideoTokenState(cache, state.position + 1, h, codes, vector, state.frame)
        start, features = (self._features(now.h, now.vector, now.codes, now.frame) for now in (state, after))
        return after, self.imagined(start, features[:, None, None], actions[:, None, None])

    def _tokenize(self, windows: Windows, state: VideoTokenState | None) -> TokenizedSteps:
        """Code all steps, and let the transformer read the group of every frame but the last, the past's included."""
        dynamics, images, vectors = self.dynamics, self.tokenizer.images, self.tokenizer.vectors
        b, steps = windows.shape
        first, action = windows.first, windows.previous_action
        linked = ~first
        if state is None:
            linked = linked & (torch.arange(steps, device=first.device) > 0)
        # Steps since the episode began, and a number for it: the past, of whatever episode, has number 0.
        index = torch.arange(steps, device=first.device).expand(b, -1)
        began = torch.where(first, index, -1).cummax(1).values
        past_position = first.new_full((b,), -1, dtype=torch.long) if state is None else state.position
        position = torch.where(began < 0, past_position[:, None] + 1 + index, index - began)
        present = first.long().cumsum(1)

        vector = vectors.normalise(windows.observation)
        before = _delayed(None if state is None else state.vector, vector)
        parts: list[Tensor] = []
        frame = action[..., :0]
        if images.codes:
            features, frame = images.features(windows.observation)
            frame = _held(frame, first, None if state is None else state.frame)
            parts.append(images.encode(features, frame))
        if vectors.codes:
            parts.append(vectors.encode(vector, before, action) * linked[..., None, None])
        codes = torch.cat(parts, -2)

        earlier = _delayed(None if state is None else state.codes, codes.detach())
        around = _delayed(None if state is None else state.frame, frame)
        x = dynamics.group(earlier, self._prompt(before, around, action)).flatten(1, 2)
        size = dynamics.group_size
        # A group belongs to the frame that it holds, one step before the one it predicts.
        episode = _delayed(first.new_zeros(b, dtype=torch.long), present)
        at = _delayed(past_position, position)
        if state is None:
            episode[:, 0] = -1  # there was no frame
        episode, at = (value.repeat_interleave(size, 1) for value in (episode, at))
        mask = frame_causal(at, self.config.context, episode)
        past = None
        if state is not None:
            past = state.cache
            visible_past = visible(at, past.step, self.config.context) & (episode == 0)[..., None]
            mask = torch.cat([visible_past[:, None], mask], -1)
            episode = F.pad(episode, (past.step.shape[1], 0))
        outputs, cache = dynamics.transformer.prefix(x, at, mask, past)
        h, token_outputs = dynamics.parts(outputs.unflatten(1, (steps, size)))
        h = self._with_action(h, action) * linked[..., None]
        cache = cache if past is None else past.then(cache)
        return TokenizedSteps(cache, episode, position, present, linked, h, token_outputs, codes, vector, before, frame)

    def _roll_from(self, tokenized: TokenizedSteps, rows: Tensor, t: Tensor) -> Roll:
        """Imagination as it will be when planning, from steps t [M] of the windows `rows` [M]."""
        size = self.dynamics.group_size
        # The groups that a belief at t would hold: those of the frames before it, as far as the context reaches.
        index = t[:, None] * size + torch.arange((2 - self.config.context) * size, size, device=t.device)
        column = index.clamp_min(0)
        cache = Cache(
            tokenized.cache.keys[rows[:, None], :, :, column].movedim(1, 3),
            tokenized.cache.values[rows[:, None], :, :, column].movedim(1, 3),
            tokenized.cache.step[rows[:, None], column],
        )
        known = (index >= 0) & (tokenized.episode[rows[:, None], column] == tokenized.present[rows, t][:, None])
        parts = (tokenized.position, tokenized.h, tokenized.codes.detach(), tokenized.vector, tokenized.frame)
        state = VideoTokenState(cache.seen_where(known), *(part[rows, t] for part in parts))
        return lambda actions: self._roll(state, actions[:, None], likely=True)[:, 0]

    def _roll(self, state: VideoTokenState, actions: Tensor, likely: bool) -> Tensor:
        """Features [B, N, H, F] of the frames that actions [B, N, H, A] lead to."""
        dynamics, (_, n, horizon, _) = self.dynamics, actions.shape
        suffix = Suffix(state.cache, n, horizon * dynamics.group_size)
        codes, vector, frame = (
            part[:, None].expand(-1, n, *part.shape[1:]) for part in (state.codes, state.vector, state.frame)
        )
        series: list[tuple[Tensor, Tensor, Tensor]] = []
        for t, action in enumerate(actions.unbind(2)):
            x = dynamics.group(codes, self._prompt(vector, frame, action))
            outputs = dynamics.transformer.extend(x, state.position + t, state.cache, suffix)
            h, vector, codes = self._predict(outputs, vector, action, likely)
            series.append((h, vector, codes))
        h, vector, codes = (torch.stack(parts, 2) for parts in zip(*series, strict=True))
        return self._features(h, vector, codes, frame[:, :, None].expand(-1, -1, horizon, -1))

    def _predict(self, outputs: Tensor, vector: Tensor, action: Tensor, likely: bool) -> tuple[Tensor, Tensor, Tensor]:
        """h, vector and codes of the next frame from the transformer's outputs at a group [..., group_size, W]."""
        h, token_outputs = self.dynamics.parts(outputs)
        codes = self.dynamics.predict(token_outputs, likely)
        return self._with_action(h, action), self.tokenizer.advance(codes, vector, action), codes

    def _with_action(self, h: Tensor, action: Tensor) -> Tensor:
        """h [..., W]; where heads see it, the action [..., A] that leads there, too."""
        return torch.cat([h, action], -1) if self.heads_see_action else h

    def _prompt(self, vector: Tensor, frame: Tensor, action: Tensor) -> Tensor:
        return torch.cat([action, self.tokenizer.vectors.read(vector), frame], -1)

    def _features(self, h: Tensor, vector: Tensor, codes: Tensor, frame: Tensor) -> Tensor:
        return torch.cat([h, self.tokenizer.vectors.read(vector), codes.flatten(-2), frame], -1)


def _delayed(past: Tensor | None, values: Tensor) -> Tensor:
    """Values [B, T, ...] one step later: `past` [B, ...] (None: zeros) stands at step 0."""
    past = torch.zeros_like(values[:, 0]) if past is None else past
    return torch.cat([past[:, None], values[:, :-1]], 1)


def _held(values: Tensor, first: Tensor, past: Tensor | None) -> Tensor:
    """At every step [B, T, C] the value of its episode's first observed step: one of these, or in the past."""
    index = torch.arange(first.shape[1], device=first.device)
    begins = first.clone()
    if past is None:
        begins[:, 0] = True
    source = torch.where(begins, index, -1).cummax(1).values
    held = values.gather(1, source.clamp_min(0)[..., None].expand_as(values))
    return held if past is None else torch.where(source[..., None] < 0, past[:, None], held)
