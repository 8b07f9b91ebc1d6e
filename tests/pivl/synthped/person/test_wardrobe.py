"""What people of the embedded benchmark wear, and captions that say it exactly."""

import numpy as np
import pytest

from pivl.data.part_maps.labels import LIP
from pivl.synthped.person import palette
from pivl.synthped.person.wardrobe import ITEM, ITEMS, KINDS, draw_families, draw_people
from pivl.synthped.pretraining import captions


def test_jitter_keeps_a_colour_near_its_name() -> None:
    people = draw_people(500, np.random.default_rng(12))
    clothes = [ITEM[item] for item in ITEMS if item != "hair"]
    assert np.abs(people.rgb - palette.RGB[people.color])[:, clothes].max() < 0.08
    gap = np.sqrt(((palette.RGB[people.color] - palette.RGB[people.second]) ** 2).sum(-1))
    assert gap[:, clothes].min() > 0.4


def test_nobody_wears_what_excludes_itself() -> None:
    people = draw_people(2000, np.random.default_rng(13))
    lower = sum(people.wears(item).astype(int) for item in ("pants", "skirt", "dress", "jumpsuit"))
    upper = sum(people.wears(item).astype(int) for item in ("upper", "dress", "jumpsuit"))
    assert (lower == 1).all()
    assert (upper == 1).all()
    assert people.wears("shoes").all()
    assert people.wears("hair").all()
    two_tone = people.pattern == palette.PATTERNS.index("two-tone")
    assert not two_tone[:, [ITEM[item] for item in ("dress", "pants", "jumpsuit")]].any()
    for item, kinds in KINDS.items():
        assert people.kind[:, ITEM[item]].max() == len(kinds) - 1, item


@pytest.mark.parametrize(("size", "changes"), [(2, 5), (4, 3), (3, 0)])
def test_members_of_a_family_share_all_but_the_changed_items(size: int, changes: int) -> None:
    people = draw_families(50, size, changes, np.random.default_rng(14))
    unseen = [ITEM[item] for item in ("gloves", "sunglasses")]
    for first in range(0, len(people), size):
        for member in range(first + 1, first + size):
            for name in ("height", "build", "figure", "skin", "skin_rgb", "short_sleeves", "texture_seed"):
                assert np.array_equal(getattr(people, name)[first], getattr(people, name)[member])
            pairs = [
                (getattr(people, name)[first], getattr(people, name)[member])
                for name in ("kind", "rgb", "pattern")
            ]
            differ = np.stack([(a != b).reshape(len(ITEMS), -1).any(1) for a, b in pairs]).any(0)
            assert differ.sum() == changes
            assert not differ[unseen].any()
            came_or_went = (pairs[0][0] > 0) != (pairs[0][1] > 0)
            recolored = np.sqrt(((pairs[1][0] - pairs[1][1]) ** 2).sum(-1)) > 0.1
            assert (came_or_went | recolored)[differ].all()


def test_too_many_changes_are_refused() -> None:
    with pytest.raises(ValueError, match="0 to 6 items"):
        draw_families(2, 2, 7, np.random.default_rng(0))


def test_a_part_has_a_caption_where_it_can_be_seen_and_names_its_colours() -> None:
    people = draw_people(300, np.random.default_rng(15))
    for number in range(len(people)):
        for place, part in enumerate(LIP.parts):
            text = captions.part_caption(people, number, part)
            assert (text is not None) == bool(people.shown[number, place]), part
            if text is not None:
                assert text.startswith("A photo of a person's ")
                assert text.removesuffix(".").endswith(part) or "logo" in text
    striped = np.flatnonzero(people.wears("skirt") & (people.pattern[:, ITEM["skirt"]] == 1))[0]
    first, second = (palette.COLORS[index[striped, ITEM["skirt"]]] for index in (people.color, people.second))
    cut = KINDS["skirt"][people.kind[striped, ITEM["skirt"]]]
    assert (
        captions.part_caption(people, striped, "skirt")
        == f"A photo of a person's {cut} {first} and {second} striped skirt."
    )
    shoe = palette.COLORS[people.color[7, ITEM["shoes"]]]
    assert captions.part_caption(people, 7, "left shoe") == f"A photo of a person's {shoe} left shoe."


def test_captions_are_short_in_known_words_and_name_no_other_colour() -> None:
    people, draw = draw_people(300, np.random.default_rng(16)), np.random.default_rng(17)
    known = set(captions.words())
    assert len(known) < 90
    for number in range(len(people)):
        near_body = [ITEM[item] for item in ITEMS if people.kind[number, ITEM[item]]]
        worn = {palette.COLORS[color] for color in people.color[number, near_body]}
        worn |= {palette.COLORS[color] for color in people.second[number, near_body]}
        worn.add(palette.SKINS[people.skin[number]])
        texts = [
            captions.caption(people, number, draw),
            captions.zoom_caption(people, number, LIP.parts, draw),
        ]
        for text in texts:
            assert text is not None
            spoken = text.removesuffix(".").replace(",", "").split()
            assert set(spoken) <= known
            assert len(spoken) <= 36
            assert set(spoken) & set(palette.COLORS) <= worn


def test_zooming_on_nothing_says_nothing() -> None:
    people = draw_people(5, np.random.default_rng(18))
    assert captions.zoom_caption(people, 0, ["background"], np.random.default_rng(0)) is None
    text = captions.zoom_caption(people, 0, ["face", "left shoe", "background"], np.random.default_rng(0))
    assert text is not None
    assert "face" in text
    assert "left shoe" in text
