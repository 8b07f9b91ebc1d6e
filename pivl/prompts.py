"""The texts of people and their parts: what stage 1 tunes and stage 2 aims at (Eq. 1, 6; method.md 0, 1.3).

A person is `A photo of a X X X X person.` and a part of it `A photo of a X X X X person's {part}.`, where the X are
learnable tokens of that person; a part without identity is `A photo of a person's {part}.`
"""

import torch
from torch import Tensor, nn

from pivl.data.labels import LabelSet
from pivl.towers.text import TextTower
from pivl.towers.vocabulary import Vocabulary

TOKEN_SPREAD = 0.02  # standard deviation of fresh identity tokens (make_model_clipreid.py)


def draw_identity_tokens(people: int, tokens: int, width: int, generator: torch.Generator) -> Tensor:
    """Fresh identity tokens [people, tokens, width], N(0, 0.02)."""
    return torch.randn(people, tokens, width, generator=generator) * TOKEN_SPREAD


class Prompts(nn.Module):
    """Encodes people and parts with a frozen text tower; every text is cut at the longest end of text in its batch.

    Holds no learnable value: identity tokens [N, M, W] are handed in, and gradients flow back to them.
    """

    start: Tensor
    person_ending: Tensor
    part_endings: Tensor
    part_lengths: Tensor

    def __init__(self, text: TextTower, vocabulary: Vocabulary, labels: LabelSet) -> None:
        super().__init__()
        self.text = text
        start, stop = vocabulary.tokens("A photo of a")[:-1], vocabulary.tokens("person.")[1:]
        endings = [vocabulary.tokens(f"person's {part}.")[1:] for part in labels.parts]
        longest = max(map(len, endings))
        padded = [ending + [0] * (longest - len(ending)) for ending in endings]
        self.register_buffer("start", torch.tensor(start), persistent=False)
        self.register_buffer("person_ending", torch.tensor([stop]), persistent=False)
        self.register_buffer("part_endings", torch.tensor(padded), persistent=False)
        self.register_buffer("part_lengths", torch.tensor(list(map(len, endings))), persistent=False)

    def people(self, tokens: Tensor) -> Tensor:
        """Texts of people: tokens [N, M, W] -> [N, D] (Eq. 1)."""
        endings = self.person_ending.expand(len(tokens), -1)
        return self._encode(tokens, endings, self.person_ending.new_full((len(tokens),), endings.shape[1]))

    def parts(self, tokens: Tensor, part: Tensor) -> Tensor:
        """Texts of parts of people: tokens [N, M, W] and part ids [N] -> [N, D] (Eq. 6)."""
        lengths = self.part_lengths[part]
        return self._encode(tokens, self.part_endings[part][:, : int(lengths.max())], lengths)

    def part_labels(self) -> Tensor:
        """Texts of all parts of nobody in particular: [parts, D] (Table 3, row 2)."""
        part = torch.arange(len(self.part_lengths), device=self.part_lengths.device)
        nobody = self.text.embed_tokens(self.start[:0])[None].expand(len(part), -1, -1)
        return self.parts(nobody, part)

    def _encode(self, tokens: Tensor, endings: Tensor, lengths: Tensor) -> Tensor:
        start = self.text.embed_tokens(self.start).expand(len(tokens), -1, -1)
        sequence = torch.cat([start, tokens.to(start.dtype), self.text.embed_tokens(endings)], dim=1)
        return self.text.encode(sequence, len(self.start) + tokens.shape[1] + lengths - 1)
