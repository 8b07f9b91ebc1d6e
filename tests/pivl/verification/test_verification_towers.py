"""What the original CLIP-ReID computed on drawn weights and images, met by each of the ways to ask our towers."""

import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from pivl.towers.clip import Clip
from pivl.towers.features import Features
from pivl.towers.resnet import ResNetTower
from pivl.verification.reference_file import Figures, read_figures
from pivl.verification.reference_inputs import Drawing
from tests.support.naive import FOLDER, TEMPLATE, identity_text, relative_deviation

TOLERANCE = 1e-5  # reference/README.md: one pass in float32


@pytest.fixture(scope="module", params=["clipreid_rn_tiny", "clipreid_vit_tiny"])
def file(request: pytest.FixtureRequest) -> Figures:
    return read_figures(FOLDER / f"{request.param}.npz")


@pytest.fixture(scope="module")
def figures(file: Figures) -> dict[str, NDArray]:
    return file.values


@pytest.fixture(scope="module")
def drawing(file: Figures) -> Drawing:
    return Drawing.read(file)


@pytest.fixture(scope="module")
def clip(drawing: Drawing) -> Clip:
    return drawing.clip("reference")


@pytest.fixture(scope="module")
def features(drawing: Drawing, clip: Clip) -> Features:
    with torch.no_grad():
        found = clip.vision(drawing.images())
        found.tokens  # noqa: B018 computed at the first use, here without gradients
    return found


def sequence(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)


def test_the_last_but_one_feature(figures: dict[str, NDArray], features: Features) -> None:
    """layer3's average, or the class token of block 11 before ln_post."""
    figure = torch.from_numpy(figures["visual.last"])
    expected = figure.mean(dim=(2, 3)) if figure.ndim == 4 else figure[:, 0]
    assert relative_deviation(features.last[:4], expected.numpy()) < TOLERANCE


def test_the_last_feature_and_the_map_behind_it(
    figures: dict[str, NDArray], drawing: Drawing, clip: Clip, features: Features
) -> None:
    """layer4 cell by cell and averaged, or ln_post of all tokens of block 12."""
    figure = torch.from_numpy(figures["visual.feat"])
    with torch.no_grad():
        if isinstance(clip.vision, ResNetTower):
            expected = figure.mean(dim=(2, 3))
            cells, expected_cells = clip.vision.stage_maps(drawing.images()[:4])[3], figure
            assert relative_deviation(features.maps[2][:4], figures["visual.last"]) < TOLERANCE
        else:
            expected, expected_cells = figure[:, 0], figure[:, 1:]
            cells = clip.vision.net.ln_post(sequence(features.maps[0][:4]))
    assert relative_deviation(features.feat[:4], expected.numpy()) < TOLERANCE
    assert relative_deviation(cells, expected_cells.numpy()) < TOLERANCE


def test_the_projected_token_and_the_dense_ones(
    figures: dict[str, NDArray], clip: Clip, features: Features
) -> None:
    figure = figures["visual.proj"]
    token_first = figure.transpose(1, 0, 2) if isinstance(clip.vision, ResNetTower) else figure
    ours = torch.cat([features.proj[:4, None], sequence(features.tokens[:4])], dim=1)
    assert relative_deviation(ours, token_first) < TOLERANCE


def test_the_deployed_descriptor(figures: dict[str, NDArray], drawing: Drawing, clip: Clip) -> None:
    with torch.no_grad():
        descriptor = clip.vision.embed(drawing.images()[:4])
    assert relative_deviation(descriptor, figures["eval.embedding"]) < TOLERANCE


def test_the_image_features_of_stage_1(figures: dict[str, NDArray], features: Features) -> None:
    assert relative_deviation(features.proj, figures["stage1.image"]) < TOLERANCE


def test_the_texts_of_identities(figures: dict[str, NDArray], drawing: Drawing, clip: Clip) -> None:
    """Identity tokens stand for the four X of the template; its ids are those of CLIP's tokenizer."""
    ids = [49406, 320, 1125, 539, 320, 343, 343, 343, 343, 2533, 269, 49407]
    assert clip.vocabulary.tokens(TEMPLATE) == ids
    with torch.no_grad():
        texts = identity_text(clip, drawing.identity_tokens())
    assert relative_deviation(texts, figures["text.identity"]) < TOLERANCE
