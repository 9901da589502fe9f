"""One causal decoder over observations and actions: a world model, a policy and an inverse model of one backbone.

Continuous tokens alternate, o_0 a_1 o_1 a_2 o_2 ... (GR-1, arXiv 2312.13139, has it so; here the predicted frame knows
the action, as in Unified World Models, arXiv 2504.02792). Actions see all that came before them, observations see
observations alone:

            o0  a1  o1  a2  o2
        o0   x   .   .   .   .      o_t predicts  the next actions           (policy)
        a1   x   x   .   .   .                    the action that led to it  (inverse dynamics)
        o1   x   .   x   .   .                    the next observation       (video prediction)
        a2   x   x   x   x   .
        o2   x   .   x   .   x      a_t predicts  the observation after it   (forward dynamics)

So one pass trains all modes, and none reads what it is to predict. Nothing is sampled: the next observation is a
continuous prediction that is fed back when imagining.

With `model.language=true` the embedding of the episode's instruction is added to every token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.domains import Depth, Domain, Few, Steps, Width
from wm_lab.errors import UserError, unknown
from wm_lab.models.decoder_only.frame import Frame, FrameDecoder
from wm_lab.models.decoder_only.modes import Modes, ModesConfig, Predictions
from wm_lab.models.parts.action_tokens import TokenHead, TokensConfig
from wm_lab.models.parts.attention import Suffix, Transformer, visible
from wm_lab.models.parts.blocks import mlp, zero
from wm_lab.models.parts.cache import Cache
from wm_lab.models.parts.feature_model import FeatureModel
from wm_lab.models.parts.flow import ActionHead, FlowHead, RegressionHead
from wm_lab.models.parts.heads import Heads
from wm_lab.models.parts.observations import AutoencoderConfig
from wm_lab.models.parts.sentences import SentenceEncoder, words
from wm_lab.models.parts.things import ThingsConfig
from wm_lab.world_model import ActsByVideo, DataSpec, Imagination, State, Windows

HEADS = ("flow", "tokens", "regression")


@dataclass
class DecoderOnlyConfig(AutoencoderConfig, ThingsConfig):
    width: Width = 64  # of a token in the transformer
    num_heads: Width = 2  # of attention, which share out the width
    blocks: Depth = 2  # of the transformer
    mlp_ratio: Annotated[float, Domain(above=0, most=1000)] = 2.0  # hidden units of a block's MLP, in widths
    window: Steps = 4  # steps that a token sees, its own included
    transition_units: Width = 128  # of each layer that predicts the next observation from a token
    transition_layers: Depth = 2  # hidden layers that predict it
    embedding: Width = 128  # of the images of one moment
    modes: ModesConfig = field(default_factory=ModesConfig)  # weights of what it learns side by side
    action_head: str = "flow"
    """Of the policy: flow (flow matching, as π0), tokens (bins, as RT-2) or regression, the baseline."""
    chunk: Few = 4  # actions that the policy decides on at once
    flow_steps: Few = 10  # of the integration that draws actions, as in π0; more are slower and finer
    language: bool = False  # the embedding of the episode's instruction is added to every token
    tokens: TokensConfig = field(default_factory=TokensConfig)  # with action_head=tokens

    LATER: ClassVar[tuple[str, ...]] = ("tokens",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.action_head not in HEADS:
            raise unknown("model.action_head", self.action_head, HEADS)


@dataclass
class DecoderState(State):
    """After o_t of every episode."""

    cache: Cache  # of the tokens in the window, a before o
    position: Tensor  # [B] int64, steps since the episode began
    h: Tensor  # [B, W] output at a_t
    g: Tensor  # [B, W] output at o_t
    frame: Tensor  # [B, R] the observed or imagined frame, as networks read it
    instruction: Tensor  # [B, W] its embedding; zeros without language


class EncodedSteps(NamedTuple):
    """Observed steps after one pass of the transformer."""

    frames: Tensor  # [B, T, R] as networks read them
    h: Tensor  # [B, T, W] outputs at a_t
    g: Tensor  # [B, T, W] outputs at o_t
    cache: Cache  # of the past's tokens and these
    position: Tensor  # [B, T]
    episode: Tensor  # [B, T] counted from the past's, which is 0
    instruction: Tensor  # [B, T, W] its embedding


class DecoderOnly(FeatureModel, ActsByVideo):
    Config = DecoderOnlyConfig
    config: DecoderOnlyConfig

    def __init__(self, config: DecoderOnlyConfig, spec: DataSpec):
        super().__init__()
        self.config, self.spec = config, spec
        width, actions = config.width, spec.action_size
        self.frame = Frame(config, spec, config.embedding, config.thing_units)
        self.from_frame, self.from_action = nn.Linear(self.frame.read_size, width), nn.Linear(actions, width)
        self.instructed = config.language
        self.instructions = SentenceEncoder(spec.instructions, width) if config.language else None
        if config.language and not any(words(sentence) for sentence in spec.instructions):
            raise UserError(
                "model.language=true needs data that say what is to be done, and these have no instruction; set "
                "model.language=false"
            )
        self.transformer = Transformer(width, config.blocks, config.num_heads, config.window, config.mlp_ratio)
        # It reads the present as it is beside what the decoder made of the past, so contact need not pass through
        # attention's average of the window.
        self.transition = mlp(
            width + self.frame.read_size + actions, config.transition_units, config.transition_layers, self.frame.size
        )
        zero(self.transition[-1])
        decoder = FrameDecoder(config, spec, self.frame.vectors, config.embedding)
        condition = self.frame.read_size + width
        self.heads = Heads(config, spec, condition, self.frame.size, decoder)
        policy = self._policy(condition)
        self.modes = Modes(config.modes, self.frame, width, actions, policy, config.units)

    def _policy(self, condition: int) -> ActionHead:
        config = self.config
        sizes = condition, config.chunk, self.spec.action_size, config.units, config.layers
        match config.action_head:
            case "flow":
                return FlowHead(*sizes, config.flow_steps)
            case "tokens":
                return TokenHead(*sizes, config.tokens)
            case _:
                return RegressionHead(*sizes)

    @property
    def exchange(self) -> bool:
        return super().exchange and not self.instructed  # a sentence names colours

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        config, steps = self.config, windows.shape[1]
        for name, room in (("window", steps), ("chunk", steps - 1)):
            if getattr(config, name) > room:
                raise UserError(
                    f"model.{name}={getattr(config, name)} does not fit into training windows of {steps} steps, so it "
                    f"could not be trained; lower it to {room} or raise trainer.length"
                )
        encoded = self._encode_steps(windows, None)
        linked = ~windows.first & (torch.arange(steps, device=windows.first.device) > 0)
        z = encoded.frames[..., : self.frame.size]
        terms = self.heads.losses(torch.cat([encoded.frames, encoded.h], -1), windows, target=z)
        predicted = self._next(encoded.h[:, 1:], encoded.frames[:, :-1], windows.action[:, 1:])
        error = self.frame.error(predicted, encoded.frames[:, 1:])
        terms["forward"] = config.modes.forward * F.pad(error, (1, 0)) * linked
        terms |= self.modes.losses(self.frame, encoded.g, encoded.frames, windows, linked)
        return self.total_loss(
            terms,
            windows,
            lambda rows, t: lambda actions: self._roll(self._belief_at(encoded, rows, t), actions[:, None])[:, 0],
        )

    def observe(self, windows: Windows, state: State | None = None) -> tuple[DecoderState, Imagination]:
        assert state is None or isinstance(state, DecoderState)
        encoded = self._encode_steps(windows, state)
        rows = torch.arange(len(encoded.h), device=encoded.h.device)
        belief = self._belief_at(encoded, rows, torch.full_like(rows, windows.shape[1] - 1))
        return belief, self.observed(torch.cat([encoded.frames, encoded.h], -1), windows)

    def appearance(self, features: Tensor) -> Tensor:
        return features[..., : self.frame.read_size]

    def imagine(self, state: State, actions: Tensor) -> Imagination:
        assert isinstance(state, DecoderState)
        self.check_actions(state, actions, "BNHA")
        return self.imagined(torch.cat([state.frame, state.h], -1), self._roll(state, actions), actions)

    def step(self, state: State, actions: Tensor) -> tuple[DecoderState, Imagination]:
        assert isinstance(state, DecoderState)
        self.check_actions(state, actions, "BA")
        kept, append = state.cache.step.shape[1], self.transformer.append
        token = self.from_action(actions) + state.instruction
        out, cache = append(token[:, None], state.position, state.cache, kept + 1)
        h, position = out[:, 0], state.position + 1
        frame = self.frame.read(self._next(h, state.frame, actions))
        # The prediction is read at once, not beside the next action as in `_roll`: the policy may be asked about it.
        allowed = observations_see_no_actions(1, kept + 2, actions.device)
        out, cache = append((self.from_frame(frame) + state.instruction)[:, None], position, cache, kept, allowed)
        after = DecoderState(cache, position, h, out[:, 0], frame, state.instruction)
        start, features = (torch.cat([now.frame, now.h], -1) for now in (state, after))
        return after, self.imagined(start, features[:, None, None], actions[:, None, None])

    def predict(self, windows: Windows) -> Predictions:
        """What every mode predicts along observed windows [B, T], one step ahead; the policy starts from noise 0."""
        encoded = self._encode_steps(windows, None)
        before = F.pad(encoded.frames[:, :-1], (0, 0, 1, 0))
        noise = encoded.g.new_zeros(*encoded.g.shape[:-1], self.config.chunk, self.spec.action_size)
        return Predictions(
            forward=self.heads.decoder(self._next(encoded.h, before, windows.action)),
            video=self.heads.decoder(self.modes.next_frame(self.frame, encoded.g, encoded.frames)),
            inverse=self.modes.infer_action(self.frame, encoded.g, encoded.frames),
            policy=self.modes.policy(torch.cat([encoded.g, encoded.frames], -1), noise).clamp(-1, 1),
        )

    def act(self, state: State, generators: Sequence[torch.Generator]) -> Tensor:
        assert isinstance(state, DecoderState)
        shape = self.config.chunk, self.spec.action_size
        noise = torch.stack([torch.randn(shape, generator=generator) for generator in generators])
        policy_input = torch.cat([state.g, state.frame], -1)
        actions: Tensor = self.modes.policy(policy_input, noise.to(state.g)).clamp(-1, 1)
        return actions

    def act_by_video(self, state: State, steps: int) -> Tensor:
        assert isinstance(state, DecoderState)
        modes, append, kept = self.modes, self.transformer.append, state.cache.step.shape[1]
        cache, position, g, frame, actions = state.cache, state.position, state.g, state.frame, []
        # Observations see no action, so it does not matter what stands where one would.
        nothing = self.from_action(g.new_zeros(len(g), self.spec.action_size)) + state.instruction
        allowed = observations_see_no_actions(1, kept + 2, g.device)
        for _ in range(steps):
            after = self.frame.read(modes.next_frame(self.frame, g, frame))
            _, cache = append(nothing[:, None], position, cache, kept + 1)
            position = position + 1
            out, cache = append((self.from_frame(after) + state.instruction)[:, None], position, cache, kept, allowed)
            g = out[:, 0]
            actions.append(modes.action_between(self.frame, g, frame, after).clamp(-1, 1))
            frame = after
        return torch.stack(actions, 1)

    def _encode_steps(self, windows: Windows, state: DecoderState | None) -> EncodedSteps:
        """Every observed step, going on from `state`."""
        (b, steps), window = windows.shape, self.config.window
        first, now = windows.first, torch.arange(steps, device=windows.first.device)
        past = self.transformer.nothing(b, 2 * window) if state is None else state.cache
        before = now.new_full((b,), -1) if state is None else state.position
        began = torch.where(first, now, -1).cummax(1).values
        position = torch.where(began >= 0, now - began, before[:, None] + 1 + now)
        episode = first.cumsum(1)

        frames = self.frame.read(self.frame(windows.observation))
        # No action led to an episode's first step: a zero action stands there.
        actions = self.from_action(windows.previous_action)
        instruction = self._instruction(windows)
        pairs = torch.stack([actions + instruction, self.from_frame(frames) + instruction], 2)
        tokens = pairs.flatten(1, 2)  # [B, 2T, W]
        at = torch.stack([position - 1, position], 2).flatten(1)  # a_t is decided on at step t - 1
        known, of = torch.cat([past.step, at], 1), episode.repeat_interleave(2, 1)
        mask = visible(at, known, window) & (of[:, :, None] == F.pad(of, (2 * window, 0))[:, None])
        mask = mask & observations_see_no_actions(2 * steps, known.shape[1], mask.device)
        out, own = self.transformer.prefix(tokens, at, mask[:, None], past)
        h, g = out.unflatten(1, (steps, 2)).unbind(2)
        return EncodedSteps(frames, h, g, past.then(own), position, episode, instruction)

    def _instruction(self, windows: Windows) -> Tensor:
        """Embedding of the instruction at every step, [B, T, W]; zeros without language."""
        if self.instructions is None:
            return windows.action.new_zeros(*windows.shape, self.config.width)
        chosen = windows.instruction
        chosen = torch.zeros_like(windows.first, dtype=torch.long) if chosen is None else chosen
        embedding: Tensor = self.instructions(chosen)
        return embedding

    def number(self, instruction: str) -> int:
        return 0 if self.instructions is None else self.instructions.number(instruction)

    def _belief_at(self, encoded: EncodedSteps, rows: Tensor, t: Tensor) -> DecoderState:
        """The beliefs after steps t [M] of these rows [M], with the window of tokens that led to each."""
        window = self.config.window
        index = t[:, None] + 1 + torch.arange(window, device=t.device)  # the past's stand before those just read
        episode = F.pad(encoded.episode, (window, 0))[rows[:, None], index]
        tokens = (2 * index[..., None] + torch.arange(2, device=t.device)).flatten(1)  # [M, 2 * window]
        keys, values = (
            part.movedim(3, 1)[rows[:, None], tokens].movedim(1, 3)
            for part in (encoded.cache.keys, encoded.cache.values)
        )
        cache = Cache(keys, values, encoded.cache.step[rows[:, None], tokens])
        same = (episode == encoded.episode[rows, t][:, None]).repeat_interleave(2, 1)
        at = rows, t
        facts = (part[at] for part in (encoded.position, encoded.h, encoded.g, encoded.frames, encoded.instruction))
        return DecoderState(cache.seen_where(same), *facts)

    def _roll(self, state: DecoderState, actions: Tensor) -> Tensor:
        """Features [B, N, H, F] of imagined steps under actions [B, N, H, A].

        Each prediction is read as an observation. The past is shared by all candidates of a row.
        """
        b, n, horizon, _ = actions.shape
        suffix = Suffix(state.cache, n, 2 * horizon - 1)
        instruction = state.instruction[:, None]  # [B, 1, W]
        embedded = (self.from_action(actions) + instruction[:, None]).unbind(2)
        frame = state.frame[:, None].expand(b, n, -1)
        tokens, features = embedded[0][:, :, None], []
        known = state.cache.step.shape[1] + 1  # tokens, with the first action
        kinds = observations_see_no_actions(2, known + 2 * (horizon - 1), actions.device)
        for k, action in enumerate(actions.unbind(2)):
            allowed = kinds[-tokens.shape[2] :, : known + 2 * k]
            h = self.transformer.extend(tokens, state.position + k, state.cache, suffix, allowed)[:, :, -1]
            frame = self.frame.read(self._next(h, frame, action))
            features.append(torch.cat([frame, h], -1))
            if k + 1 < horizon:
                tokens = torch.stack([self.from_frame(frame) + instruction, embedded[k + 1]], 2)
        return torch.stack(features, 2)

    def _next(self, h: Tensor, frame: Tensor, action: Tensor) -> Tensor:
        """Forward dynamics: z_t from the output at a_t, the frame before and the action between them."""
        correction = self.transition(torch.cat([h, frame, action], -1))
        return self.frame.follow(frame, correction, action)


def observations_see_no_actions(queries: int, keys: int, device: torch.device) -> Tensor:
    """[Q, K] True where a token's kind may be seen, tokens alternating from a; queries are the last of the keys."""
    is_action = torch.arange(keys, device=device) % 2 == 0
    return is_action[keys - queries :, None] | ~is_action
