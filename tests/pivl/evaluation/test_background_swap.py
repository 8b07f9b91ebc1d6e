"""The background control: persons to the bit, surroundings from somebody else's picture, without that somebody."""

from dataclasses import replace

import pytest
import torch

from pivl.data.pictures import Pictures
from pivl.evaluation.assessment import retrieve, retrieve_swapped, swap_health
from pivl.evaluation.background_swap import draw_sources, paint_over, swap_backgrounds
from pivl.evaluation.retrieval import rank
from pivl.recipe import Recipe
from tests.support.tiny_models import SIZE, tiny_trainer


def pictures(count: int, seed: int = 0) -> Pictures:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(256, (count, 3, 8, 4), generator=generator, dtype=torch.uint8)
    part_map = torch.randint(3, (count, 8, 4), generator=generator, dtype=torch.uint8)
    person = torch.arange(count)
    return Pictures(image, person, person, part_map, tuple(map(str, range(count))))


def test_the_person_stays_to_the_bit_and_the_surroundings_come_from_one_other_picture():
    before = replace(pictures(6), camera=torch.zeros(6, dtype=torch.int64))
    after = swap_backgrounds(before, draw_sources(before, torch.Generator().manual_seed(1)))
    around = before.part_map == 0
    streets = paint_over(before.image, around[:, None])
    seen = set()
    for number in range(6):
        outside, inside = around[number], ~around[number]
        assert torch.equal(after.image[number][:, inside], before.image[number][:, inside])
        (source,) = (
            other
            for other in range(6)
            if torch.equal(after.image[number][:, outside], streets[other][:, outside])
        )
        assert source != number
        seen.add(source)
    assert len(seen) > 1
    assert torch.equal(after.part_map, before.part_map)


def test_a_person_is_painted_over_in_the_mean_of_its_row():
    image = torch.tensor([10, 20, 250, 30], dtype=torch.uint8).view(1, 1, 1, 4).repeat(1, 3, 2, 1)
    around = torch.tensor([[True, True, False, True], [False] * 4]).view(1, 1, 2, 4)
    painted = paint_over(image, around)
    assert painted[0, 0].tolist() == [
        [10, 20, 20, 30],
        [20, 20, 20, 20],
    ]  # the second row takes the picture's mean


def test_without_part_maps_there_is_nothing_to_exchange():
    bare = pictures(2)
    with pytest.raises(ValueError, match="part maps"):
        swap_backgrounds(Pictures(bare.image, bare.person, bare.camera, None, bare.names), torch.arange(2))


def test_its_own_surroundings_leave_a_picture_to_the_bit():
    before = pictures(3)
    assert torch.equal(swap_backgrounds(before, torch.arange(3)).image, before.image)


def test_sources_are_of_other_people_by_the_same_camera():
    person, camera = torch.tensor([4, 4, 1, 1, 2, 2, 1, 4] * 25), torch.tensor([0, 1, 0, 1, 1, 0, 2, 2] * 25)
    some = replace(pictures(200), person=person, camera=camera)
    sources = draw_sources(some, torch.Generator().manual_seed(0))
    assert (camera[sources] == camera).all()
    assert (person[sources] != person).all()
    everyone = {
        (a, b) for a in range(8) for b in range(8) if person[a] != person[b] and camera[a] == camera[b]
    }
    drawn = {(a % 8, int(b) % 8) for a, b in enumerate(sources)}
    assert drawn == everyone  # each of them may be drawn


def test_without_another_person_by_that_camera_there_is_no_number():
    alone = replace(pictures(3), camera=torch.tensor([0, 0, 1]))
    assert draw_sources(alone, torch.Generator()) is None


def test_a_row_is_scored_among_exchanged_surroundings_alike_each_time():
    trainer = tiny_trainer(Recipe(image_size=SIZE))
    trained = trainer.fresh().set_training(False)
    first, second = (retrieve_swapped(trainer, trained) for _ in range(2))
    plain = retrieve(trainer, trained, rank)
    assert first.average_precision.tolist() == second.average_precision.tolist()
    assert first.query.tolist() == plain.query.tolist()
    assert swap_health(trainer, trained) == {"map_swapped_same_camera": 100 * first.map}
    bare = replace(trainer.split.query, part_map=None)
    without = replace(trainer, split=replace(trainer.split, query=bare, gallery=bare))
    assert retrieve_swapped(without, trained) is None
    assert swap_health(without, trained) == {}
