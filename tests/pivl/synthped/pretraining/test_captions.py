"""What rendered people wear, in words: exact, part by part, and only of what can be seen."""

import re

from pivl.data.part_maps.labels import LIP
from pivl.synthped.benchmark import SYNTHPED_MINI, draw_benchmark_people
from pivl.synthped.person.palette import COLORS
from pivl.synthped.person.wardrobe import ITEM
from pivl.synthped.pretraining.captions import ITEM_OF_PART, describe_parts, part_caption


def test_every_part_that_can_be_seen_is_described_and_no_other():
    people, _ = draw_benchmark_people(SYNTHPED_MINI)
    described = describe_parts(people)
    assert len(described) == SYNTHPED_MINI.training_people
    for person, texts in enumerate(described):
        assert texts[0] is None  # the background is nobody's
        for part, text in zip(LIP.parts[1:], texts[1:], strict=True):
            assert (text is not None) == bool(people.shown[person, LIP.parts.index(part)])
            if text is not None:
                assert re.fullmatch(rf"A photo of a person's .*\b{part}\b.*\.", text)


def test_a_description_names_the_colour_that_is_worn():
    people, _ = draw_benchmark_people(SYNTHPED_MINI)
    told = 0
    for person in range(len(people)):
        for part, item in ITEM_OF_PART.items():
            text = part_caption(people, person, part)
            if text is not None and item != "hair":  # whose yellow is called blond
                assert COLORS[people.color[person, ITEM[item]]] in text
                told += 1
    assert told > 100
