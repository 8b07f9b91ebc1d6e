"""Key-value cache of shared prefixes: the keys and values of a prefix serve every text that follows it.

CLIP's text attention is causal, so what a token becomes depends on the tokens before it alone. All prompts begin
with `A photo of a`, and the 20 parts of a person with `A photo of a X X X X person's`: the sentence of a part costs
its last three or four tokens instead of 77. Gradients flow back through keys and values to the shared tokens.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

KeysAndValues = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class PrefixCache:
    """The keys and values [N, heads, L, size] of every block for N prefixes of L tokens, which later tokens attend to."""

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    @property
    def length(self) -> int:
        """Returns the number of tokens, L."""
        return self.keys[0].shape[2]

    def select(self, text: Tensor) -> "PrefixCache":
        """Returns the prefixes of some texts, int64 [M] into N; one may be named several times."""
        return PrefixCache(
            tuple(keys.index_select(0, text) for keys in self.keys),
            tuple(values.index_select(0, text) for values in self.values),
        )


def project(block: Any, tokens: Tensor, before: KeysAndValues | None) -> tuple[Tensor, Tensor, Tensor]:
    """Returns queries of tokens [N, L, W] in open_clip's residual `block`, and the keys and values of all tokens so far.

    `before`: keys and values [N, heads, P, size] of the prefixes, P tokens. Queries are
    [N, heads, L, size], the others [N, heads, P + L, size].
    """
    attention = block.attn
    projected = F.linear(block.ln_1(tokens), attention.in_proj_weight, attention.in_proj_bias)
    query, key, value = projected.unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
    if before is not None:
        key, value = torch.cat([before[0], key], dim=2), torch.cat([before[1], value], dim=2)
    return query, key, value


def block_output(
    block: Any, tokens: Tensor, query: Tensor, key: Tensor, value: Tensor, seen: Tensor
) -> Tensor:
    """Returns the output [N, L, W] of `block` for tokens [N, L, W]; `seen` bool [.., L, keys] masks attention."""
    attended = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
    tokens = tokens + block.attn.out_proj(attended.transpose(1, 2).flatten(2))
    return tokens + block.mlp(block.ln_2(tokens))
