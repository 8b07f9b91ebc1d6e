"""Towers: the token read alone equals the whole computation, grids and cameras, texts of any length, words by number."""

import copy

import pytest
import torch
from open_clip.modified_resnet import AttentionPool2d
from torch import Tensor, nn

from pivl.errors import UserError
from pivl.system.random_streams import torch_stream
from pivl.towers.architecture import ClipArchitecture, TextArchitecture, VisionArchitecture
from pivl.towers.attention import pool_cells, pool_first, pool_input
from pivl.towers.clip import Clip, ImageInput, build_clip, build_vision, drawing_from
from pivl.towers.resnet import ResNetTower
from pivl.towers.text import TextTower
from pivl.towers.vit import VisionTower
from pivl.towers.vocabulary import Vocabulary
from tests.support.naive import relative_deviation

RESNET = VisionArchitecture("resnet", layers=(1, 1, 1, 1), width=4, heads=2, embed_dim=8)
VIT = VisionArchitecture("vit", layers=(3,), width=16, heads=2, embed_dim=8, patch=16)
TEXT = TextArchitecture(layers=2, width=16, heads=2, embed_dim=8, context=12, vocabulary=20)
SIZE = (64, 32)


def seed(name: str) -> torch.Generator:
    return torch_stream(0, name)


def image(count: int = 3, size: tuple[int, int] = SIZE) -> Tensor:
    return torch.randn(count, 3, *size, generator=seed("image"))


def tower(architecture: VisionArchitecture, image_input: ImageInput) -> ResNetTower | VisionTower:
    with drawing_from(seed("tower")):
        return build_vision(architecture, image_input).eval()


def assert_close(ours: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    assert relative_deviation(ours, expected.detach().numpy()) < tolerance


@pytest.mark.parametrize(
    ("architecture", "image_input"),
    [(RESNET, ImageInput(SIZE)), (VIT, ImageInput(SIZE)), (VIT, ImageInput(SIZE, stride=12))],
)
def test_the_descriptor_alone_equals_the_full_forward(
    architecture: VisionArchitecture, image_input: ImageInput
) -> None:
    built, camera = tower(architecture, image_input), torch.tensor([3, 0, 3])
    if isinstance(built, VisionTower):
        built.add_camera_embedding(4, 2.0, seed("cameras"))
    features = built(image(), camera)
    assert_close(built.embed(image(), camera), torch.cat([features.feat, features.proj], dim=1))
    assert_close(built.descriptor(features), built.embed(image(), camera))


@pytest.mark.parametrize("size", [(96, 48), (128, 64), (256, 128)])
@pytest.mark.parametrize("architecture", [RESNET, VIT])
def test_features_have_the_shapes_that_the_tower_announces(
    architecture: VisionArchitecture, size: tuple[int, int]
) -> None:
    built = tower(architecture, ImageInput(size))
    features = built(image(2, size))
    grid = (size[0] // 16, size[1] // 16)
    assert built.grid == grid
    assert (features.last.shape[1], features.feat.shape[1], features.proj.shape[1]) == built.dims
    assert features.tokens.shape == (2, built.dims[2], *grid)
    assert tuple(entry.shape[1] for entry in features.maps) == built.map_channels
    strides = [size[0] // entry.shape[2] for entry in features.maps]
    assert strides == ([4, 8, 16] if architecture.kind == "resnet" else [16])


def test_the_pool_equals_open_clips_in_value_and_gradient() -> None:
    """Token 0 without keys and values, and all cells, against the pool of open_clip on its own square grid."""
    with drawing_from(seed("pool")):
        pool = AttentionPool2d(spacial_dim=3, embed_dim=16, num_heads=4, output_dim=6)
    feature_map = torch.randn(2, 16, 3, 3, generator=seed("map"))
    theirs, ours = (feature_map.clone().requires_grad_() for _ in range(2))
    expected, (mean, tokens) = pool(theirs), pool_input(pool, ours)
    pooled = pool_first(pool, tokens)
    assert_close(mean, ours.mean(dim=(2, 3)))
    weights = torch.randn(6, generator=seed("weights"))
    (expected @ weights).sum().backward()
    key_gradient = pool.k_proj.weight.grad.clone()
    pool.zero_grad()
    (pooled @ weights).sum().backward()
    assert_close(pooled, expected)
    assert_close(ours.grad, theirs.grad)
    assert_close(pool.k_proj.weight.grad, key_gradient)


def test_every_cell_of_the_pool_is_what_it_would_be_as_the_first_token() -> None:
    """Attention does not know the order of its tokens: swapping a cell to the front pools that cell."""
    with drawing_from(seed("pool")):
        pool = AttentionPool2d(spacial_dim=3, embed_dim=16, num_heads=4, output_dim=6)
    tokens = torch.randn(2, 10, 16, generator=seed("tokens"))
    cells = pool_cells(pool, tokens)
    for cell in range(9):
        order = [cell + 1, *(other for other in range(10) if other != cell + 1)]
        assert_close(cells[:, cell], pool_first(pool, tokens[:, order]))


def test_attention_in_bf16_on_a_cpu_is_attention_up_to_its_rounding() -> None:
    with drawing_from(seed("pool")):
        pool = AttentionPool2d(spacial_dim=3, embed_dim=16, num_heads=4, output_dim=6)
    tokens = torch.randn(2, 10, 16, generator=seed("tokens"))
    with torch.autocast("cpu", torch.bfloat16):
        rough = pool_cells(pool, tokens)
    assert rough.dtype == torch.bfloat16
    exact = pool_cells(pool, tokens)
    assert 0 < float(((rough - exact).abs().max() / exact.abs().max()).detach()) < 0.02


def test_dense_tokens_cost_nothing_until_they_are_read_and_are_computed_once() -> None:
    built, calls = tower(RESNET, ImageInput(SIZE)), []
    built.net.attnpool.k_proj.register_forward_hook(lambda *_: calls.append("keys"))
    features = built(image())
    built.embed(image())
    assert calls == []
    assert features.tokens is features.tokens
    assert calls == ["keys"]


def test_overlapping_patches_make_a_grid_of_21_by_10() -> None:
    built = tower(VIT, ImageInput((256, 128), stride=12))
    assert built.grid == (21, 10)
    assert built.net.positional_embedding.shape[0] == 211
    assert built(image(1, (256, 128))).tokens.shape == (1, 8, 21, 10)


def test_a_cell_of_overlapping_patches_sees_pixels_from_12_times_its_index_on() -> None:
    """With no attention (no blocks but an idle last one) a pixel reaches the cells whose 16 x 16 patch holds it."""
    shallow = VisionArchitecture("vit", layers=(1,), width=16, heads=2, embed_dim=8, patch=16)
    built = tower(shallow, ImageInput(SIZE, stride=12))
    built.net.transformer.resblocks[0].attn.out_proj = nn.Linear(16, 16).requires_grad_(False)
    nn.init.zeros_(built.net.transformer.resblocks[0].attn.out_proj.weight)
    plain, dotted = image(1), image(1)
    dotted[:, :, 13, 29] += 1  # rows 0..15 and 12..27 hold row 13, columns 12..27 do not hold column 29
    dotted[:, :, 26, 14] += 1  # rows 12..27 and 24..39; columns 0..15 and 12..27
    changed = (built(dotted).maps[0] - built(plain).maps[0]).abs().sum(dim=(0, 1)) > 1e-6
    assert changed.nonzero().tolist() == [[1, 0], [1, 1], [2, 0], [2, 1]]


def test_the_camera_moves_the_class_token_and_nothing_else_before_attention() -> None:
    """Adding scale x embedding to the class token by hand gives the same; no camera gives the plain tower."""
    built = tower(VIT, ImageInput(SIZE))
    built.add_camera_embedding(4, 3.0, seed("cameras"))
    by_hand, plain = copy.deepcopy(built), copy.deepcopy(built)
    camera = torch.full((3,), 2)
    with torch.no_grad():
        by_hand.net.class_embedding += 3.0 * built.camera_embedding[2]
    assert_close(built.embed(image(), camera), by_hand.embed(image()))
    plain.camera_embedding = None
    assert torch.equal(built.embed(image()), plain.embed(image(), camera))
    assert relative_deviation(built.embed(image(), camera), plain.embed(image()).detach().numpy()) > 1e-3


def test_what_does_not_fit_a_tower_is_one_line() -> None:
    with pytest.raises(UserError, match="100x50 does not fit a ResNet; use multiples of 16"):
        tower(RESNET, ImageInput((100, 50)))
    with pytest.raises(UserError, match="smaller than a patch of 16"):
        tower(VIT, ImageInput((64, 8)))
    with pytest.raises(UserError, match="a ResNet has no patch stride"):
        tower(RESNET, ImageInput(SIZE, stride=12))
    for broken in ({"layers": (1,)}, {"patch": 16}, {"heads": 3}):
        with pytest.raises(ValueError, match=r"layers|patch|heads"):
            VisionArchitecture(
                **{"kind": "resnet", "layers": (1,) * 4, "width": 4, "heads": 2, "embed_dim": 8, **broken}
            )


@pytest.fixture(scope="module")
def text() -> TextTower:
    with drawing_from(seed("text")):
        return TextTower(TEXT).eval()


def texts(text: TextTower) -> tuple[Tensor, Tensor, Tensor]:
    """Ids [3, 12] padded with 0, where they end, and their embeddings; 19, the largest id, is the end token."""
    ids = torch.tensor([[18, 5, 19], [18, 19, 0], [18, 7, 9]])
    ids = torch.cat([ids, torch.zeros(3, 9, dtype=torch.long)], dim=1)
    ids[2, 3] = 19
    return ids, torch.tensor([2, 1, 3]), text.embed_tokens(ids)


def test_texts_equal_open_clips_padded_ones(text: TextTower) -> None:
    ids, end, embeddings = texts(text)
    assert_close(text.encode(embeddings, end), text.net(ids))


def test_a_text_is_the_same_at_every_length_and_whatever_follows_its_end(text: TextTower) -> None:
    _, end, embeddings = texts(text)
    whole = text.encode(embeddings, end)
    assert_close(text.encode(embeddings[:, :4], end), whole)
    embeddings = embeddings.clone()
    for row, last in enumerate(end.tolist()):
        embeddings[row, last + 1 :] = 9.0
    assert_close(text.encode(embeddings, end), whole)


def test_gradients_reach_the_embeddings_up_to_the_end_and_no_further(text: TextTower) -> None:
    _, end, embeddings = texts(text)
    embeddings = embeddings.detach().requires_grad_()
    text.encode(embeddings, end).sum().backward()
    reached = embeddings.grad.abs().sum(dim=2) > 0
    assert torch.equal(reached, torch.arange(12) <= end[:, None])


def test_a_text_longer_than_the_context_is_refused(text: TextTower) -> None:
    with pytest.raises(ValueError, match="13 tokens exceeds the context of 12"):
        text.encode(torch.zeros(1, 13, 16), torch.tensor([12]))


def test_the_full_vocabulary_has_clips_ids() -> None:
    """method.md 1.3 and 6.4: ids of OpenAI's tokenizer; "person's" is two tokens."""
    vocabulary = Vocabulary()
    assert vocabulary.tokens("A photo of a person.") == [49406, 320, 1125, 539, 320, 2533, 269, 49407]
    assert vocabulary.tokens("person's") == [49406, 2533, 568, 49407]
    assert len(vocabulary) == 49408


def test_a_compact_vocabulary_renumbers_and_keeps_the_end_the_largest() -> None:
    phrases = ["A photo of a person's upper clothes.", "a red hat"]
    full, compact = Vocabulary(), Vocabulary.covering(phrases)
    for phrase in phrases:
        renumbered = compact.tokens(phrase)
        assert [compact.compact[token] for token in renumbered] == full.tokens(phrase)
        assert renumbered[0] == len(compact) - 2
        assert renumbered[-1] == len(compact) - 1 == max(renumbered)
    assert Vocabulary(compact.compact).tokens(phrases[0]) == compact.tokens(phrases[0])


def test_a_word_outside_a_compact_vocabulary_is_named() -> None:
    with pytest.raises(UserError, match="does not know 'zebra,'"):
        Vocabulary.covering(["a red hat"]).tokens("a red zebra, hat")


@pytest.mark.parametrize("compact", [(), (49406, 49407, 5), (7, 5, 49406, 49407), (5, 49407)])
def test_a_compact_vocabulary_must_rise_to_start_and_end(compact: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="rising order"):
        Vocabulary(compact)


def built_clip(name: str, vision: VisionArchitecture = RESNET) -> Clip:
    vocabulary = Vocabulary.covering(["a red hat"])
    words = TextArchitecture(2, 16, 2, 8, context=12, vocabulary=len(vocabulary))
    return build_clip(ClipArchitecture(vision, words), ImageInput(SIZE), vocabulary, seed(name))


def test_random_weights_follow_the_generator_and_leave_torchs_own_as_it_was() -> None:
    before = torch.get_rng_state()
    first, again, other = built_clip("one"), built_clip("one"), built_clip("two")
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in first.vision.state_dict().items():
        assert torch.equal(value, again.vision.state_dict()[name])
    assert not torch.equal(first.vision.net.conv1.weight, other.vision.net.conv1.weight)
    assert torch.equal(first.text.net.text_projection, again.text.net.text_projection)


def test_fresh_residual_branches_are_alive_unless_asked_otherwise() -> None:
    def scales(built: ResNetTower) -> set[float]:
        return {
            value
            for block in (built.net.layer1[0], built.net.layer4[0])
            for value in block.bn3.weight.tolist()
        }

    assert scales(ResNetTower(RESNET, SIZE)) == {1.0}
    assert scales(ResNetTower(RESNET, SIZE, zero_residual=True)) == {0.0}
