"""CLIP's text transformer, fed with token embeddings so that some can be learned (method.md 1.3, 6.4)."""

from itertools import repeat
from typing import Any

import torch
from open_clip.transformer import TextTransformer
from torch import Tensor, nn

from pivl.towers.architecture import TextArchitecture
from pivl.towers.attention import ACTIVATIONS
from pivl.towers.kv_cache import KeysAndValues, PrefixCache, block_output, project


class TextTower(nn.Module):
    """A text tower; parameters keep OpenAI's names below `net`.

    Random weights at first, drawn from torch's global generator; `clip.build_clip` seeds it for the length of
    the build.
    """

    def __init__(self, architecture: TextArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.net = TextTransformer(
            context_length=architecture.context,
            vocab_size=architecture.vocabulary,
            width=architecture.width,
            heads=architecture.heads,
            layers=architecture.layers,
            output_dim=architecture.embed_dim,
            act_layer=ACTIVATIONS[architecture.activation],
        )

    def embed_tokens(self, ids: Tensor) -> Tensor:
        """Returns the token embeddings [..., W] of int64 ids [...], without positions."""
        return self.net.token_embedding(ids)

    def encode_prefix(self, embeddings: Tensor, prefix: PrefixCache | None = None) -> PrefixCache:
        """Returns the key-value cache of prefixes [N, L, W], which may themselves follow `prefix`, N texts.

        Raises ValueError as `encode` does.
        """
        tokens, seen = self._placed(embeddings, prefix)
        *blocks, (last, past) = self._blocks(prefix)
        found = []
        for block, before in blocks:
            query, key, value = project(block, tokens, before)
            tokens = block_output(block, tokens, query, key, value, seen)
            found.append((key, value))
        _, key, value = project(last, tokens, past)
        return PrefixCache(*zip(*found, (key, value), strict=True))

    def encode(self, embeddings: Tensor, end: Tensor, prefix: PrefixCache | None = None) -> Tensor:
        """Returns text features [N, D] of token embeddings [N, L, W], read at `end` int64 [N], where each text ends.

        `prefix`: N cached prefixes of these texts; `end` counts from behind them. Raises ValueError beyond the context:
        attention is causal, so what follows the end, or is cut off, changes nothing.
        """
        tokens, seen = self._placed(embeddings, prefix)
        *blocks, (last, past) = self._blocks(prefix)
        for block, before in blocks:
            tokens = block_output(block, tokens, *project(block, tokens, before), seen)
        query, key, value = project(last, tokens, past)
        row = torch.arange(len(tokens), device=end.device)
        read, asks = tokens[row, end, None], query[row, :, end].unsqueeze(2)  # nothing but the end is read
        output = block_output(last, read, asks, key, value, seen[end][:, None, None])
        return self.net.ln_final(output[:, 0]) @ self.net.text_projection

    def _placed(self, embeddings: Tensor, prefix: PrefixCache | None) -> tuple[Tensor, Tensor]:
        """Returns tokens with their positions, and the tokens that each of the L attends to: bool [L, prefix + L]."""
        first = prefix.length if prefix else 0
        length = first + embeddings.shape[1]
        if length > self.architecture.context:
            raise ValueError(f"a text of {length} tokens exceeds the context of {self.architecture.context}")
        position = torch.arange(length, device=embeddings.device)
        tokens = embeddings + self.net.positional_embedding[first:length].to(embeddings.dtype)
        return tokens, position <= position[first:, None]

    def _blocks(self, prefix: PrefixCache | None) -> list[tuple[Any, KeysAndValues | None]]:
        """Returns every block with its cached keys and values of the prefix."""
        before = zip(prefix.keys, prefix.values, strict=True) if prefix else repeat(None)
        return list(zip(self.net.transformer.resblocks, before, strict=False))
