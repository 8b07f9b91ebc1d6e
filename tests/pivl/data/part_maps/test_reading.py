"""The label set of a folder of part maps: its meta.json's, the one that is named, or what SCHP's maps tell."""

import re

import numpy as np
import pytest
from PIL import Image

from pivl.data.part_maps.labels import ATR, LABEL_SETS, LIP, PASCAL
from pivl.data.part_maps.reading import find_label_set
from pivl.data.part_maps.writing import schp_palette
from pivl.errors import UserError
from tests.support.small_datasets import write_meta


def write(folder, *largest, colours=256, mode="P", ignored=255):
    """A map for each of `largest`, its largest class id, with a palette of so many colours; the files."""
    paths = [folder / f"{number}.png" for number in range(len(largest))]
    for path, label in zip(paths, largest, strict=True):
        picture = Image.fromarray(np.array([[0, label], [ignored, label]], np.uint8))
        if mode == "P":
            picture.putpalette(schp_palette()[: 3 * colours])
        picture.save(path)
    return paths


@pytest.mark.parametrize(("labels", "colours"), [(LIP, 20), (ATR, 18), (PASCAL, 7)])
def test_a_palette_with_a_colour_for_each_class_tells_it_as_schp_writes_it(tmp_path, labels, colours):
    found, told_by = find_label_set(tmp_path, write(tmp_path, 3, 6, colours=colours, ignored=3))
    assert found is labels
    assert told_by == f"the {colours} colours of its maps' palettes"


@pytest.mark.parametrize("mode", ["P", "L"])
def test_only_lip_has_its_last_two_classes(tmp_path, mode):
    found, told_by = find_label_set(tmp_path, write(tmp_path, 3, 18, mode=mode))
    assert found is LIP
    assert told_by == "class id 18 in 1.png, which no other label set has"


@pytest.mark.parametrize(
    ("largest", "colours"), [((17, 5), 256), ((6,), 256), ((20,), 256), ((255,), 256), ((5,), 30), ((), 256)]
)
def test_what_may_be_two_label_sets_or_none_is_asked_for(tmp_path, largest, colours):
    expected = (
        f"{tmp_path} has no meta.json that names its label set, nor do its maps tell it; add --labels with one of lip, "
        f'atr, pascal, or for SCHP trained on LIP: echo \'{{"label_set": "lip"}}\' > {tmp_path}/meta.json'
    )
    with pytest.raises(UserError, match=f"^{re.escape(expected)}$"):
        find_label_set(tmp_path, write(tmp_path, *largest, colours=colours))


def test_maps_of_two_palettes_tell_nothing_by_them(tmp_path):
    paths = write(tmp_path, 3, 4, colours=20)
    paths[0].write_bytes(write(tmp_path, 3, colours=18)[0].read_bytes())
    with pytest.raises(UserError, match="nor do its maps tell it"):
        find_label_set(tmp_path, paths)


@pytest.mark.parametrize("name", LABEL_SETS)
def test_the_named_one_is_taken_unless_meta_json_says_another(tmp_path, name):
    paths = write(tmp_path, 3, colours=20)
    assert find_label_set(tmp_path, paths, name) == (LABEL_SETS[name], f"--labels {name}")
    write_meta(tmp_path, "atr")
    assert find_label_set(tmp_path, paths) == (ATR, "")
    if name == "atr":
        assert find_label_set(tmp_path, paths, name) == (ATR, "")
        return
    with pytest.raises(
        UserError, match=f"^--labels {name}: {tmp_path}/meta.json says atr; leave --labels out"
    ):
        find_label_set(tmp_path, paths, name)
