"""The texts of people and their parts: what stage 1 tunes and stage 2 aims at (Eq. 1, 6; method.md 0, 1.3).

A person is `A photo of a X X X X person.` and a part of it `A photo of a X X X X person's {part}.`, where the X are
learnable tokens of that person; a part without identity is `A photo of a person's {part}.` Other templates and wordings
are choices of the recipe: version 1 of the paper says only that identity and part are concatenated. One of them names the
part first: `A photo of {part} of a X X X X person.`
"""

from collections.abc import Sequence
from itertools import takewhile

import torch
from torch import Tensor, nn

from pivl.data.part_maps.labels import LabelSet
from pivl.towers.kv_cache import PrefixCache
from pivl.towers.text import TextTower
from pivl.towers.vocabulary import Vocabulary

TOKEN_SPREAD = 0.02  # standard deviation of fresh identity tokens (make_model_clipreid.py)
TEMPLATES = {"possessive": "person's {}.", "comma": "person, {}.", "sentence": "person. {}.", "of": "person."}
PART_FIRST = "A photo of {} of a"  # the beginning of template `of`


def draw_identity_tokens(people: int, tokens: int, width: int, generator: torch.Generator) -> Tensor:
    """Returns fresh identity tokens [people, tokens, width], N(0, 0.02)."""
    return torch.randn(people, tokens, width, generator=generator) * TOKEN_SPREAD


class Prompts(nn.Module):
    """Encodes people and parts with a frozen text tower; prefixes that texts share are encoded once.

    Holds no learnable value: identity tokens [P, M, W] are handed in, and gradients flow back to them.
    """

    start: Tensor
    person_ending: Tensor
    part_prefix: Tensor
    part_endings: Tensor
    part_lengths: Tensor
    part_starts: Tensor

    def __init__(
        self, text: TextTower, vocabulary: Vocabulary, labels: LabelSet, template: str = "possessive",
        wording: str = "spaces",
    ) -> None:  # fmt: skip
        super().__init__()
        self.text, self.vocabulary = text, vocabulary
        parts = [part.replace(" ", "-") if wording == "hyphens" else part for part in labels.parts]
        start, stop = vocabulary.tokens("A photo of a")[:-1], vocabulary.tokens("person.")[1:]
        named = [vocabulary.tokens(TEMPLATES[template].format(part))[1:] for part in parts]
        alike = (len(set(ids)) == 1 for ids in zip(*(ids[:-1] for ids in named), strict=False))
        shared = sum(takewhile(bool, alike))  # the end of text is never among them
        longest = max(map(len, named))
        padded = [ids + [0] * (longest - len(ids)) for ids in named]
        self.register_buffer("start", torch.tensor([start]), persistent=False)
        self.register_buffer("person_ending", torch.tensor([stop]), persistent=False)
        self.register_buffer("part_prefix", torch.tensor([named[0][:shared]]), persistent=False)
        self.register_buffer("part_endings", torch.tensor(padded)[:, shared:], persistent=False)
        self.register_buffer("part_lengths", torch.tensor(list(map(len, named))) - shared, persistent=False)
        starts = [torch.tensor(vocabulary.tokens(PART_FIRST.format(part))[:-1]) for part in parts]
        self.start_lengths = list(map(len, starts)) if template == "of" else []
        self.register_buffer(
            "part_starts", nn.utils.rnn.pad_sequence(starts, batch_first=True), persistent=False
        )

    def people(self, tokens: Tensor) -> Tensor:
        """Returns texts of people: tokens [P, M, W] -> [P, D] (Eq. 1)."""
        texts, start = self._with_identity(tokens, self.person_ending)
        return self.text.encode(texts, self.start.new_full((len(texts),), texts.shape[1] - 1), start)

    def parts(self, tokens: Tensor, person: Tensor, part: Tensor) -> Tensor:
        """Returns texts of parts of people: tokens [P, M, W], person [N] among the P and part ids [N] -> [N, D] (Eq. 6).

        Each person's `A photo of a X X X X person's` is encoded once, however many of its parts are asked for; of
        template `of` each part's `A photo of {part} of a`.
        """
        if self.start_lengths:
            return self._parts_first(tokens, person, part)
        people, place = person.unique(return_inverse=True)
        prefix = self.text.encode_prefix(*self._with_identity(tokens[people], self.part_prefix))
        lengths = self.part_lengths[part]
        endings = self.text.embed_tokens(self.part_endings[part][:, : int(lengths.max())])
        return self.text.encode(endings, lengths - 1, prefix.select(place))

    def part_labels(self) -> Tensor:
        """Returns texts of all parts of nobody in particular: [parts, D] (Table 3, row 2)."""
        part = torch.arange(len(self.part_lengths), device=self.part_lengths.device)
        nobody = self.text.embed_tokens(self.start[:, :0])
        return self.parts(nobody, torch.zeros_like(part), part)

    def written(self, texts: Sequence[str]) -> Tensor:
        """Returns texts as they are written, without learnable tokens: [N, D]. UserError for words it does not know."""
        ids = [torch.tensor(self.vocabulary.tokens(text)) for text in texts]
        ends = torch.tensor([len(some) - 1 for some in ids], device=self.start.device)
        padded = nn.utils.rnn.pad_sequence(ids, batch_first=True).to(self.start.device)
        return self.text.encode(self.text.embed_tokens(padded), ends)

    def _parts_first(self, tokens: Tensor, person: Tensor, part: Tensor) -> Tensor:
        """Returns what `parts` does, for prompts that begin with the part: those of one length at a time."""
        lengths = torch.tensor(self.start_lengths, device=part.device)[part]
        order, texts = [], []
        for length in sorted(set(self.start_lengths)):
            some = (lengths == length).nonzero().flatten()
            if len(some):
                named, place = part[some].unique(return_inverse=True)
                start = self.text.encode_prefix(self.text.embed_tokens(self.part_starts[named, :length]))
                ending = self.text.embed_tokens(self.person_ending).expand(len(some), -1, -1)
                behind = torch.cat([tokens[person[some]].to(ending.dtype), ending], dim=1)
                end = torch.full_like(some, behind.shape[1] - 1)
                texts.append(self.text.encode(behind, end, start.select(place)))
                order.append(some)
        return torch.cat(texts)[torch.cat(order).argsort()]

    def _with_identity(self, tokens: Tensor, then: Tensor) -> tuple[Tensor, PrefixCache]:
        """Returns embeddings of tokens [P, M, W] and the ids [1, L] behind, and their cached prefix `A photo of a`."""
        after = self.text.embed_tokens(then).expand(len(tokens), -1, -1)
        start = self.text.encode_prefix(self.text.embed_tokens(self.start))
        return torch.cat([tokens.to(after.dtype), after], dim=1), start.select(
            self.start.new_zeros(len(tokens))
        )
