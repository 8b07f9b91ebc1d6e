"""The texts of people and parts: worded as in method.md 0, encoded as the whole sentence would be, tunable."""

import pytest
import torch

from pivl.data.part_maps.labels import LIP
from pivl.prompts import Prompts, draw_identity_tokens
from tests.support.tiny_models import tiny_clip

CLIP = tiny_clip()


def _prompts() -> Prompts:
    return Prompts(CLIP.text, CLIP.vocabulary, LIP)


def _encode_whole(text: str) -> torch.Tensor:
    """The sentence itself, padded to the full context, as CLIP would encode it."""
    ids = CLIP.vocabulary.tokens(text)
    padded = torch.tensor([ids + [0] * (CLIP.text.architecture.context - len(ids))])
    return CLIP.text.encode(CLIP.text.embed_tokens(padded), torch.tensor([len(ids) - 1]))[0]


def _words_as_tokens(words: str) -> torch.Tensor:
    return CLIP.text.embed_tokens(torch.tensor([CLIP.vocabulary.tokens(words)[1:-1]]))


def test_a_part_of_nobody_is_the_plain_sentence():
    labels = _prompts().part_labels()
    assert labels.shape == (20, 32)
    for number, part in enumerate(LIP.parts):
        torch.testing.assert_close(labels[number], _encode_whole(f"A photo of a person's {part}."))


def test_identity_tokens_stand_between_article_and_person():
    tokens = _words_as_tokens("person hat pants coat")
    person = _prompts().people(tokens)[0]
    torch.testing.assert_close(person, _encode_whole("A photo of a person hat pants coat person."))
    part = _prompts().parts(tokens, torch.tensor([0]), torch.tensor([5]))[0]
    torch.testing.assert_close(
        part, _encode_whole("A photo of a person hat pants coat person's upper clothes.")
    )


def test_a_text_does_not_depend_on_the_others_in_its_batch():
    tokens = draw_identity_tokens(3, 4, 32, torch.Generator().manual_seed(0))
    part = torch.tensor([1, 5, 18])  # of one and of two words
    together = _prompts().parts(tokens, torch.arange(3), part)
    for row in range(3):
        torch.testing.assert_close(
            together[row], _prompts().parts(tokens, torch.tensor([row]), part[row : row + 1])[0]
        )


def test_gradients_reach_the_tokens_of_the_encoded_people_only():
    tokens = draw_identity_tokens(3, 4, 32, torch.Generator().manual_seed(0)).requires_grad_()
    _prompts().parts(tokens, torch.tensor([0, 2]), torch.tensor([4, 9])).square().sum().backward()
    assert tokens.grad is not None
    assert tokens.grad[0].abs().sum() > 0
    assert tokens.grad[2].abs().sum() > 0
    assert tokens.grad[1].abs().sum() == 0


def test_fresh_tokens_have_the_spread_of_clip_reid():
    tokens = draw_identity_tokens(200, 4, 64, torch.Generator().manual_seed(0))
    assert tokens.shape == (200, 4, 64)
    assert abs(float(tokens.std()) - 0.02) < 0.0005  # 51,200 draws: a standard error of 0.00006


@pytest.mark.parametrize(
    ("template", "wording", "words"),
    [
        ("comma", "spaces", "A photo of a person, upper clothes."),
        ("sentence", "spaces", "A photo of a person. upper clothes."),
        ("possessive", "hyphens", "A photo of a person's upper-clothes."),
        ("comma", "hyphens", "A photo of a person, upper-clothes."),
        ("of", "spaces", "A photo of upper clothes of a person."),
        ("of", "hyphens", "A photo of upper-clothes of a person."),
    ],
)
def test_templates_and_wordings_are_the_sentences_that_they_say(template, wording, words):
    prompts = Prompts(CLIP.text, CLIP.vocabulary, LIP, template, wording)
    torch.testing.assert_close(prompts.part_labels()[5], _encode_whole(words))


def test_prompts_that_begin_with_their_part_are_the_whole_sentences_in_any_order(monkeypatch):
    prompts, said, seen = Prompts(CLIP.text, CLIP.vocabulary, LIP, "of"), ("hat pants", "coat dress"), []
    tokens = torch.cat([_words_as_tokens(words) for words in said]).requires_grad_()
    encode = CLIP.text.encode_prefix
    monkeypatch.setattr(
        CLIP.text, "encode_prefix", lambda texts: seen.append(tuple(texts.shape[:2])) or encode(texts)
    )
    person, part = torch.tensor([1, 0, 1, 0, 1, 0]), torch.tensor([5, 1, 13, 5, 5, 13])
    texts = prompts.parts(tokens, person, part)
    assert seen == [(2, 7), (1, 8)]  # hat and face once, upper clothes once: each ends with `of a`
    for text, who, which in zip(texts, person, part, strict=True):
        whole = _encode_whole(f"A photo of {LIP.parts[which]} of a {said[who]} person.")
        torch.testing.assert_close(text, whole)
    (gradient,) = torch.autograd.grad(texts[0].sum(), tokens)
    assert gradient[1].abs().min() > 0
    assert not gradient[0].any()


def test_written_texts_are_the_whole_sentences_whatever_their_length():
    texts = [
        "A photo of a person's hat.",
        "A photo of a person's upper clothes, left arm.",
        "A photo of a person.",
    ]
    encoded = _prompts().written(texts)
    for text, one in zip(texts, encoded, strict=True):
        torch.testing.assert_close(one, _encode_whole(text))
