"""CLIPs by name: as open_clip describes them, built from that, and told from their tensors."""

import open_clip
import pytest
import torch

from pivl.towers.architecture import ClipArchitecture
from pivl.towers.clip import ImageInput, build_vision
from pivl.towers.clip_catalog import NamedClip, named_clips, plain_name, read_configuration
from pivl.towers.text import TextTower
from pivl.towers.weights import POSITIONS, clip_from_state, infer_architecture

SMALL = ("rn50", "rn101", "rn50x4", "vit-b-16", "vit-b-32-256", "vit-s-16-alt")
UNUSUAL = {  # heads of 16, MLPs of another width and the plain activation: nothing that shapes would tell
    "embed_dim": 32,
    "vision_cfg": {
        "image_size": 64,
        "layers": 2,
        "width": 64,
        "head_width": 16,
        "mlp_ratio": 2.7,
        "patch_size": 16,
    },
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


def described(architecture: ClipArchitecture) -> dict[str, torch.Size]:
    """Names and shapes of both towers' tensors, for which no memory is taken."""
    with torch.device("meta"):
        vision = build_vision(architecture.vision, ImageInput((224, 224)))
        words = TextTower(architecture.text)
    towers = {"visual.": vision.net.state_dict(), "": words.net.state_dict()}
    return {prefix + key: value.shape for prefix, state in towers.items() for key, value in state.items()}


def test_every_definition_is_open_clips_and_every_plain_clip_of_its_own_is_there() -> None:
    clips = named_clips()
    for clip in clips.values():
        assert clip.architecture == read_configuration(open_clip.get_model_config(clip.definition))
    left_out = set(open_clip.list_models()) - {clip.definition for clip in clips.values()}
    plain = {name for name in left_out if name.startswith(("RN", "ViT-"))}
    reasons = ("CLIPA", "worldwide", "SigLIP", "SO400M", "SO150M", "HTxt", "-alt")
    assert [name for name in sorted(plain) if not any(reason in name for reason in reasons)] == []


def test_the_names_of_openais_weights_are_those_that_open_clip_downloads() -> None:
    downloads = open_clip.list_pretrained_tags_by_model
    definitions = {clip.definition for clip in named_clips().values() if clip.openai}
    published = {name for name in open_clip.list_models() if "openai" in downloads(name)}
    assert definitions == {name for name in published if name.endswith("-quickgelu")}


def test_a_name_with_openais_weights_means_their_activation() -> None:
    def activations(name: str) -> set[str]:
        architecture = named_clips()[name].architecture
        return {architecture.vision.activation, architecture.text.activation}

    assert activations("vit-b-16") == activations("rn50x64") == {"quick_gelu"}
    assert activations("vit-b-16-gelu") == activations("vit-h-14") == {"gelu"}
    assert [plain_name(name) for name in ("ViT-B/16", "ViT-B-16-quickgelu", "ViT-H-14-quickgelu")] == [
        "vit-b-16",
        "vit-b-16",
        "vit-h-14-quickgelu",
    ]


@pytest.mark.parametrize("name", SMALL)
def test_a_named_clip_has_open_clips_tensors_and_is_told_from_them(name: str) -> None:
    architecture = named_clips()[name].architecture
    ours = described(architecture)
    with torch.device("meta"):
        theirs = open_clip.create_model(named_clips()[name].definition, device="meta").state_dict()
    expected = {key: value.shape for key, value in theirs.items()}
    for key in ("logit_scale", POSITIONS[architecture.vision.kind]):  # positions are those of our pictures
        del expected[key]
    assert {key: ours[key] for key in expected} == expected
    assert ours.keys() - expected.keys() == {POSITIONS[architecture.vision.kind]}
    state = {key: torch.empty(shape, device="meta") for key, shape in ours.items()}
    assert infer_architecture(state) == architecture.as_seen()


@pytest.mark.slow  # 40 models, up to 5 billion parameters on the meta device
@pytest.mark.parametrize("clip", [pytest.param(clip, id=name) for name, clip in named_clips().items()])
def test_every_named_clip_is_told_from_its_tensors(clip: NamedClip) -> None:
    state = {key: torch.empty(shape, device="meta") for key, shape in described(clip.architecture).items()}
    assert infer_architecture(state) == clip.architecture.as_seen()


def test_an_unusual_clip_computes_what_open_clip_computes() -> None:
    theirs = open_clip.CLIP(**UNUSUAL).eval()
    state = {key: value for key, value in theirs.state_dict().items() if key != "logit_scale"}
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    architecture = read_configuration(UNUSUAL)
    ours = clip_from_state(state, {}, "theirs", ImageInput((64, 64)), architecture)
    told = clip_from_state(state, {}, "theirs", ImageInput((64, 64)))
    ids = ours.vocabulary.tokens("A photo of a person.")
    text = torch.tensor([ids + [0] * (77 - len(ids))])
    with torch.no_grad():
        expected = theirs.encode_image(image), theirs.encode_text(text)
        end = torch.tensor([len(ids) - 1])
        found = ours.vision(image).proj, ours.text.encode(ours.text.embed_tokens(text), end)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        assert not torch.allclose(told.vision(image).proj, expected[0], atol=1e-3)
