"""Part maps in place of the exact ones: where ids depend on them, how they are degraded, and that they are made once."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pivl.data.part_maps.labels import LIP
from pivl.errors import UserError
from pivl.parsers import map_sources
from pivl.parsers.degrade import WORN_IN_ONE_PLACE, degrade
from pivl.parsers.score import ParsingScore, count_pixels
from pivl.synthped import benchmark
from tests.support.recorded_runs import draw_run
from tests.support.small_datasets import FEW_PEOPLE

NAMES = ("a.jpg", "b.jpg", "c.jpg")
LEVELS = {"boundary": (1, 4), "confusion": (20, 80), "blocks": (10, 60)}


def drawn_maps():
    """Blobs of every class on background."""
    part_map = torch.zeros(3, 64, 32, dtype=torch.uint8)
    for place in range(20):
        part_map[:, 3 * place : 3 * place + 3, 4 + place % 5 : 24] = place
    return part_map


def miou(predicted, truth):
    pixels = count_pixels(predicted.numpy(), truth.numpy(), len(LIP.parts))
    return ParsingScore(LIP, pixels, 1, 1).mean_iou


def test_only_what_is_trained_on_maps_has_them_in_its_id():
    for row in ("clip-reid", "part-labels", "pi-vl", "pi-vl-joint"):
        run = draw_run(row)
        other = replace(run, maps="1" * 12)
        same = {stage: run.stage_id(stage) == other.stage_id(stage) for stage in run.recipe.stages()[:-1]}
        assert same.get("identity-prompts", True)
        assert not same.get("part-prompts", False)
        assert (run.id == other.id) == (row == "clip-reid")


@pytest.mark.parametrize("kind", LEVELS)
def test_a_higher_level_is_a_worse_map(kind):
    exact = drawn_maps()
    mild, severe = (miou(degrade(exact, NAMES, f"{kind}-{level}"), exact) for level in LEVELS[kind])
    assert 1 > mild > severe
    assert torch.equal(degrade(exact, NAMES, f"{kind}-0"), exact)


@pytest.mark.parametrize("kind", LEVELS)
def test_a_picture_is_degraded_the_same_whatever_is_beside_it(kind):
    exact, name = drawn_maps(), f"{kind}-{LEVELS[kind][1]}"
    together = degrade(exact, NAMES, name)
    assert torch.equal(degrade(exact[1:2], NAMES[1:2], name)[0], together[1])
    assert not torch.equal(together[0], together[1])  # though the exact maps are equal


def test_classes_are_confused_with_what_is_worn_in_their_place():
    exact = drawn_maps()
    found = degrade(exact, NAMES, "confusion-100")
    place_of = {
        LIP.parts.index(part): place for place, parts in enumerate(WORN_IN_ONE_PLACE) for part in parts
    }
    for before, after in {*zip(exact.flatten().tolist(), found.flatten().tolist(), strict=True)}:
        assert before == after == 0 or (before != after and place_of[before] == place_of[after])


def test_lost_blocks_are_whole():
    exact = torch.full((3, 40, 24), 5, dtype=torch.uint8)
    lost = (degrade(exact, NAMES, "blocks-50") == 0)[:, :32, :16].view(3, 2, 16, 16)
    share = lost.float().mean((2, 3))
    assert set(share.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("name", ["degraded:fog-2", "degraded:blocks", "degraded:blocks-few", "parser-xl"])
@pytest.mark.usefixtures("cache")
def test_an_unknown_source_is_one_line(name):
    with pytest.raises(UserError, match=r"known: |one of boundary, confusion, blocks"):
        map_sources.put_maps(benchmark.load(FEW_PEOPLE), name)


def test_maps_are_made_once_and_again_where_the_file_is_damaged(cache, capsys, monkeypatch):
    split = benchmark.load(FEW_PEOPLE)
    first = map_sources.put_maps(split, "degraded:blocks-30")
    assert torch.equal(first.query.part_map, split.query.part_map)
    assert first.fingerprint == split.fingerprint
    assert first.maps not in (split.maps, map_sources.put_maps(split, "degraded:blocks-40").maps)
    (kept,) = cache.glob("*blocks-30*.npz")
    with monkeypatch.context() as patched:
        patched.setattr(map_sources, "_degrade", None)  # not needed again
        assert torch.equal(
            map_sources.put_maps(split, "degraded:blocks-30").train.part_map, first.train.part_map
        )
    kept.write_bytes(kept.read_bytes()[:-9] + bytes(9))
    assert map_sources.put_maps(split, "degraded:blocks-30").maps == first.maps
    assert "damaged" in capsys.readouterr().err
    assert np.load(kept)["part_map"].shape == (len(split.train), *FEW_PEOPLE.size)
