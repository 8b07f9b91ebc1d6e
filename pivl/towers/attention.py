"""Attention read at one position only, and the attention pool of CLIP's ResNet with all its tokens.

Both give what the full computation gives up to rounding; tests hold them to it. Everything else of a sequence
is left out: image descriptors and text features read one token each.
"""

from typing import Any

import torch
from open_clip.transformer import QuickGELU
from torch import Tensor, nn
from torch.nn import functional as F

from pivl.towers.architecture import Activation

ACTIVATIONS: dict[Activation, type[nn.Module]] = {"quick_gelu": QuickGELU, "gelu": nn.GELU}


def block_output_at(block: Any, tokens: Tensor, position: Tensor, hidden: Tensor | None = None) -> Tensor:
    """[N, W]: the output of open_clip's residual block for tokens [N, L, W] at `position` int64 [N].

    `hidden` bool [N, L] marks the tokens that must not be seen, as a causal mask would hide those after the
    position.
    """
    rows = torch.arange(tokens.shape[0], device=tokens.device)  # not len: a traced batch may have any size
    normed = block.ln_1(tokens)
    query = normed[rows, position].unsqueeze(1)
    attended, _ = block.attn(query, normed, normed, key_padding_mask=hidden, need_weights=False)
    output = tokens[rows, position] + attended.squeeze(1)
    return output + block.mlp(block.ln_2(output))


def pool_input(pool: Any, feature_map: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the mean [B, C] of a map [B, C, h, w]; and [B, 1 + h*w, C]: that and the cells, row by row, with positions.

    Whoever needs the mean takes it from here: its gradient then has the layout of the cells', where another's would
    make the ReLU behind the map seven times slower on a CPU.
    """
    cells = feature_map.flatten(2).transpose(1, 2)
    mean = cells.mean(dim=1)
    tokens = torch.cat([mean[:, None], cells], dim=1)
    return mean, tokens + pool.positional_embedding.to(tokens.dtype)


def pool_first(pool: Any, tokens: Tensor) -> Tensor:
    """[B, D]: the pooled token 0 of tokens [B, L, C], without keys or values of the others.

    One query needs no projected keys: q.(K x) = (K^T q).x, and the mean of V x is V of the mean. That is
    C/heads times cheaper than projecting L tokens. The key bias shifts all scores of a query alike and
    softmax drops it, so it is left out.
    """
    heads, channels = pool.num_heads, tokens.shape[-1]
    size = channels // heads
    query = pool.q_proj(tokens[:, 0]).unflatten(-1, (heads, size)) * size**-0.5
    by_head = pool.k_proj.weight.view(heads, size, channels)
    scores = torch.einsum("bhd,hdc->bhc", query, by_head) @ tokens.transpose(1, 2)
    mean = scores.softmax(dim=-1).to(tokens.dtype) @ tokens
    value = torch.einsum("bhc,hdc->bhd", mean, pool.v_proj.weight.view(heads, size, channels))
    return pool.c_proj(value.flatten(1) + pool.v_proj.bias)


def pool_cells(pool: Any, tokens: Tensor) -> Tensor:
    """[B, L - 1, D]: the pooled tokens 1..L-1, one per cell, each attending to all tokens [B, L, C]."""

    def by_head(projected: Tensor) -> Tensor:
        return projected.unflatten(-1, (pool.num_heads, -1)).transpose(1, 2)

    query, key, value = pool.q_proj(tokens[:, 1:]), pool.k_proj(tokens), pool.v_proj(tokens)
    attended = _attend(by_head(query), by_head(key), by_head(value))
    return pool.c_proj(attended.transpose(1, 2).flatten(2))


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of queries [B, heads, L, size] to all keys; for bf16 on a CPU torch's own takes four times as long."""
    if query.dtype != torch.bfloat16 or query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(2, 3)
    return scores.float().softmax(dim=-1).to(value.dtype) @ value
