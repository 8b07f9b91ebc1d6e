"""Prompts that share their prefixes, held to every sentence encoded whole by open_clip's own blocks."""

import pytest
import torch

from pivl.data.part_maps.labels import LIP, PASCAL
from pivl.prompts import Prompts, draw_identity_tokens
from tests.support.tiny_models import tiny_clip

CLIP = tiny_clip()
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def _encode_whole(tokens: torch.Tensor, ending: str) -> torch.Tensor:
    """[D]: the sentence of one person, tokens [M, W] between `A photo of a` and `ending`, padded to the context."""
    text, vocabulary = CLIP.text, CLIP.vocabulary
    start, after = vocabulary.tokens("A photo of a")[:-1], vocabulary.tokens(ending)[1:]
    length = len(start) + len(tokens) + len(after)
    padding = [0] * (text.architecture.context - length)
    words = [text.embed_tokens(torch.tensor(start)), tokens, text.embed_tokens(torch.tensor(after + padding))]
    hidden = (torch.cat(words) + text.net.positional_embedding)[None]
    for block in text.net.transformer.resblocks:
        hidden = block(hidden, attn_mask=text.net.attn_mask)
    return text.net.ln_final(hidden)[0, length - 1] @ text.net.text_projection


def _features_and_gradient(encode):
    tokens = 10 * draw_identity_tokens(3, 4, 32, torch.Generator().manual_seed(0))
    features = encode(tokens.requires_grad_())
    weight = torch.randn(features.shape, generator=torch.Generator().manual_seed(1))
    return features.detach(), torch.autograd.grad((features * weight).sum(), tokens)[0]


def test_people_and_their_gradients_are_those_of_whole_sentences():
    ours = _features_and_gradient(Prompts(CLIP.text, CLIP.vocabulary, LIP).people)
    whole = _features_and_gradient(
        lambda tokens: torch.stack([_encode_whole(one, "person.") for one in tokens])
    )
    torch.testing.assert_close(ours, whole, **CLOSE)


def test_parts_and_their_gradients_are_those_of_whole_sentences_also_unevenly_many_of_a_person():
    person, part = torch.tensor([2, 0, 2, 2, 0]), torch.tensor([5, 14, 1, 19, 5])  # of person 1 none
    prompts = Prompts(CLIP.text, CLIP.vocabulary, LIP)
    ours = _features_and_gradient(lambda tokens: prompts.parts(tokens, person, part))
    whole = _features_and_gradient(
        lambda tokens: torch.stack(
            [
                _encode_whole(tokens[who], f"person's {LIP.parts[what]}.")
                for who, what in zip(person, part, strict=True)
            ]
        )
    )
    torch.testing.assert_close(ours, whole, **CLOSE)


def test_a_person_is_encoded_once_for_all_its_parts(monkeypatch):
    prompts, seen = Prompts(CLIP.text, CLIP.vocabulary, LIP), []
    encode = CLIP.text.encode_prefix
    monkeypatch.setattr(
        CLIP.text, "encode_prefix", lambda texts, *past: seen.append(texts.shape[:2]) or encode(texts, *past)
    )
    every = torch.arange(60)
    prompts.parts(torch.zeros(3, 4, 32), every // 20, every % 20)
    assert seen == [(1, 5), (3, 6)]  # `A photo of a`, with its start; `X X X X person's` of each
    assert prompts.part_endings.shape == (20, 4)  # at most two words, stop and end


def test_the_end_of_a_text_is_never_shared():
    one = type(PASCAL)("one", ("hat",))
    prompts = Prompts(CLIP.text, CLIP.vocabulary, one)
    torch.testing.assert_close(
        prompts.part_labels()[0], _encode_whole(torch.zeros(0, 32), "person's hat."), **CLOSE
    )


def test_a_text_that_outgrows_the_context_with_its_prefix_is_refused():
    prefix = CLIP.text.encode_prefix(torch.zeros(1, 20, 32))
    with pytest.raises(ValueError, match="exceeds the context of 24"):
        CLIP.text.encode(torch.zeros(1, 5, 32), torch.tensor([4]), prefix)
