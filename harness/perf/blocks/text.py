"""Block 1, the texts: ours against every prompt encoded whole, 77 tokens each, as CLIP-ReID does; and that both agree."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from harness.perf.report import Bar, Block, Figure
from harness.perf.setting import Setting
from harness.perf.timing import alternate, ratios
from pivl.data.part_maps.labels import LIP
from pivl.prompts import Prompts, draw_identity_tokens
from pivl.towers.clip import Clip

PEOPLE = 16  # of a batch
PARTS = len(LIP.parts)
CLOSE = 1e-5


def measure(setting: Setting) -> Block:
    """Forward and backward, for the people of a batch and for all 20 parts of each."""
    clip = setting.large_clip()
    prompts = Prompts(clip.text, clip.vocabulary, LIP).to(setting.device)
    generator = torch.Generator().manual_seed(0)
    drawn = draw_identity_tokens(PEOPLE, 4, clip.text.architecture.width, generator)
    tokens = drawn.to(setting.device).requires_grad_()
    every = torch.arange(PEOPLE * PARTS, device=setting.device)

    def all_parts(of: Tensor) -> Tensor:
        some = every[: len(of) * PARTS]
        return prompts.parts(of, some // PARTS, some % PARTS)

    def whole_people(of: Tensor) -> Tensor:
        return encode_whole(clip, list(of), ["person."] * len(of))

    def whole_parts(of: Tensor) -> Tensor:
        endings = [f"person's {part}." for _ in of for part in LIP.parts]
        return encode_whole(clip, [one for one in of for _ in LIP.parts], endings)

    people = _compare(setting, tokens, prompts.people, whole_people, 4 if setting.quick else PEOPLE)
    parts = _compare(setting, tokens, all_parts, whole_parts, 1 if setting.quick else 2)
    (ours, whole, times, off), (part_ours, part_whole, part_times, part_off) = people, parts
    architecture = clip.text.architecture
    return Block(
        "text",
        f"1. Text: {architecture.layers} layers, {architecture.width} wide, forward and backward",
        (
            Figure.of("people, ours", [PEOPLE / one for one in ours], "identities/s"),
            Figure.of("people, whole prompts", [PEOPLE / one for one in whole], "identities/s"),
            Figure.of("parts, ours", [PEOPLE * PARTS / one for one in part_ours], "prompts/s"),
            Figure.of("parts, whole prompts", [PEOPLE * PARTS / one for one in part_whole], "prompts/s"),
            Figure.of("people, ours against whole", times, "times as fast"),
            Figure.of("parts, ours against whole", part_times, "times as fast"),
        ),
        (
            Bar(
                "identity prompts against 77 tokens, times as fast", sorted(times)[len(times) // 2], 6.5, True
            ),
            Bar(
                "part prompts against 77 tokens, times as fast",
                sorted(part_times)[len(part_times) // 2],
                15,
                True,
            ),
            Bar("texts and gradients, largest relative difference", max(off, part_off), CLOSE, False),
        ),
        (
            f"Ours: {PEOPLE} people, and their {PEOPLE * PARTS} parts. Whole prompts: of fewer people where that "
            "takes long, and scaled up; their time grows with their number.",
        ),
    )


def encode_whole(clip: Clip, tokens: Sequence[Tensor], endings: Sequence[str]) -> Tensor:
    """Every prompt by itself, padded to the context and put through all blocks of open_clip: [N, D]."""
    text, vocabulary = clip.text, clip.vocabulary
    start, context = vocabulary.tokens("A photo of a")[:-1], text.architecture.context
    device = text.net.positional_embedding.device
    sentences, ends = [], []
    for own, ending in zip(tokens, endings, strict=True):
        after = vocabulary.tokens(ending)[1:]
        length = len(start) + len(own) + len(after)
        before, behind = (
            text.embed_tokens(torch.tensor(ids, device=device))
            for ids in (start, after + [0] * (context - length))
        )
        sentences.append(torch.cat([before, own, behind]))
        ends.append(length - 1)
    hidden = torch.stack(sentences) + text.net.positional_embedding
    for block in text.net.transformer.resblocks:
        hidden = block(hidden, attn_mask=text.net.attn_mask)
    return text.net.ln_final(hidden)[torch.arange(len(ends)), ends] @ text.net.text_projection


def _compare(
    setting: Setting, tokens: Tensor, ours: Callable[[Tensor], Tensor], whole: Callable[[Tensor], Tensor], few: int
) -> tuple[list[float], list[float], list[float], float]:  # fmt: skip
    """Seconds of ours and of whole prompts for all people, their ratio, and the largest relative difference."""

    def backward(encode: Callable[[Tensor], Tensor], people: int) -> tuple[Tensor, Tensor]:
        own = tokens[:people].detach().requires_grad_()
        texts = encode(own)
        weight = torch.randn(texts.shape, generator=torch.Generator().manual_seed(1)).to(texts)
        return texts.detach(), torch.autograd.grad((texts * weight).sum(), own)[0]

    found = alternate(
        setting.repeats, setting.device, lambda: backward(ours, len(tokens)), lambda: backward(whole, few)
    )
    scaled = [one * len(tokens) / few for one in found[1]]
    pairs = zip(backward(ours, few), backward(whole, few), strict=True)
    off = max(float((one - other).abs().max() / other.abs().max()) for one, other in pairs)
    return found[0], scaled, ratios(scaled, found[0]), off
