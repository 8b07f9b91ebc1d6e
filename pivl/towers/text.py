"""CLIP's text transformer, fed with token embeddings so that some can be learned (method.md 1.3, 6.4)."""

import torch
from open_clip.transformer import TextTransformer
from torch import Tensor, nn

from pivl.towers.architecture import TextArchitecture
from pivl.towers.attention import ACTIVATIONS, block_output_at


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
        """[..., W]: the token embeddings of int64 ids [...], without positions."""
        return self.net.token_embedding(ids)

    def encode(self, embeddings: Tensor, end: Tensor) -> Tensor:
        """[N, D]: text features of token embeddings [N, L, W], read at `end` int64 [N], where each text ends.

        Any L up to the context (ValueError): attention is causal, so what follows the end, or is cut off,
        changes nothing.
        """
        length = embeddings.shape[1]
        if length > self.architecture.context:
            raise ValueError(f"a text of {length} tokens exceeds the context of {self.architecture.context}")
        tokens = embeddings + self.net.positional_embedding[:length].to(embeddings.dtype)
        *blocks, last = self.net.transformer.resblocks
        mask = self.net.attn_mask[:length, :length]
        for block in blocks:
            tokens = block(tokens, attn_mask=mask)
        hidden = torch.arange(length, device=end.device) > end.unsqueeze(1)
        return self.net.ln_final(block_output_at(last, tokens, end, hidden)) @ self.net.text_projection
