"""The embedded benchmark: pictures by seed, people in one set only, an export that reads back."""

import json
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pivl.data.part_maps.writing import schp_palette
from pivl.data.pictures import Split
from pivl.errors import UserError
from pivl.parsers.pretrain import HELD_OUT as PARSED_HELD_OUT
from pivl.parsers.pretrain import TRAINING_SET as PARSED
from pivl.synthped import benchmark, picture_cache
from pivl.synthped.contact_sheet import LIP_COLORS, draw_sheet
from pivl.synthped.export import export_market
from pivl.synthped.pretraining import student, tiny_clip
from pivl.synthped.rendering import picture
from pivl.synthped.rendering.camera import draw_cameras
from pivl.system.random_streams import numpy_stream
from tests.support.small_datasets import FEW_PEOPLE, FEW_SIZE

# SYNTHPED_MINI at FEW_SIZE: SHA-256 of its part maps, training before test; mean RGB of each camera's test pictures.
MAPS_OF_MINI = "04a56421de57ca5cdeb53f57a10b2936527dbb2bfc3f367f14059ce02f6dd25a"
COLORS_OF_MINI = (
    (130.3, 118.3, 80.9),
    (85.4, 90.5, 81.7),
    (130.8, 105.9, 88.3),
    (88.3, 95.1, 98.7),
    (86.7, 66.2, 61.9),
    (95.3, 89.7, 78.6),
)


@pytest.fixture(scope="module")
def tiny_world() -> tuple[picture.World, picture_cache.ShotList]:
    return benchmark.build_world(FEW_PEOPLE), benchmark.plan_training(FEW_PEOPLE).join(
        benchmark.plan_test(FEW_PEOPLE)
    )


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Split:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIVL_CACHE", str(tmp_path_factory.mktemp("cache")))
        return benchmark.load(benchmark.SYNTHPED_MINI, FEW_SIZE)


def test_a_picture_is_the_same_bits_alone_and_in_any_company(tiny_world, monkeypatch):
    world, shots = tiny_world
    images, part_maps = picture.render_pictures(world, shots.person, shots.camera, shots.seed, FEW_SIZE)
    order = np.random.default_rng(0).permutation(len(shots))
    for pixels_at_a_time in (4 * 64 * 32, 7 * 64 * 32):
        monkeypatch.setattr(picture, "CHUNK", pixels_at_a_time)
        again = picture.render_pictures(
            world, shots.person[order], shots.camera[order], shots.seed[order], FEW_SIZE
        )
        assert np.array_equal(again[0], images[order])
        assert np.array_equal(again[1], part_maps[order])
    alone = picture.render_pictures(world, shots.person[5:6], shots.camera[5:6], shots.seed[5:6], FEW_SIZE)
    assert np.array_equal(alone[0][0], images[5])


def test_another_seed_gives_another_picture_of_the_same_person(tiny_world):
    world, shots = tiny_world
    first, second = (
        picture.render_pictures(world, shots.person[:4], shots.camera[:4], shots.seed[:4] + step, FEW_SIZE)
        for step in (0, 1)
    )
    assert (first[1] != second[1]).any(axis=(1, 2)).all()


def test_two_processes_render_what_one_does(tiny_world, monkeypatch):
    world, shots = tiny_world
    one = picture_cache.render(world, shots, FEW_SIZE)
    monkeypatch.setattr(picture_cache, "JOB", 10)
    monkeypatch.setattr(picture_cache, "cores", lambda: 2)
    seen: list[tuple[int, int]] = []
    two = picture_cache.render(world, shots, FEW_SIZE, lambda done, total: seen.append((done, total)))
    assert np.array_equal(one.image, two.image)
    assert np.array_equal(one.part_map, two.part_map)
    assert len(seen) == 3
    assert seen[-1] == (len(shots), len(shots))


def test_nothing_in_front_hides_more_than_half_of_a_person(tiny_world, monkeypatch):
    world, _ = tiny_world
    bare = np.flatnonzero(
        ~world.people.wears("bag")
    )  # a bag covers pixels without a label and would blur the count
    person = np.resize(bare, 60)
    camera, seed = np.resize(np.arange(3), 60), np.arange(60)
    monkeypatch.setattr(picture, "IN_FRONT", 0.0)
    monkeypatch.setattr(picture, "PROPS_SHARE", 0.0)
    free = picture.render_pictures(world, person, camera, seed, FEW_SIZE)[1]
    monkeypatch.setattr(picture, "IN_FRONT", 0.5)
    monkeypatch.setattr(picture, "PROPS_SHARE", 1.0)
    hidden = picture.render_pictures(world, person, camera, seed, FEW_SIZE)[1]
    assert ((hidden == free) | (hidden == 0)).all()
    remaining = (hidden > 0).sum((1, 2)) / (free > 0).sum((1, 2))
    assert remaining.min() >= 0.47  # half of all its pixels; those of the nape carry no label either
    assert (remaining < 0.9).any()


def test_no_family_stands_in_two_sets_and_no_two_people_dress_alike():
    training, test = benchmark.draw_benchmark_people(benchmark.SYNTHPED)
    mini = benchmark.draw_benchmark_people(benchmark.SYNTHPED_MINI)
    pretraining = benchmark.draw_pretraining_people(benchmark.PRETRAINING)
    sets = [training, test, *mini, pretraining]
    families = [set(people.texture_seed.tolist()) for people in sets]
    assert [len(family) for family in families] == [38, 50, 8, 6, 1500]
    assert len(set().union(*families)) == sum(map(len, families))
    dress = [np.concatenate([people.kind, people.color, people.pattern], axis=1) for people in sets]
    assert len(np.unique(np.concatenate(dress), axis=0)) == sum(map(len, sets))


def test_no_family_of_another_world_was_met_in_pre_training():
    """By texture seeds, which a family has to itself, and by what each person wears: one CLIP serves all worlds."""
    worlds = [replace(benchmark.SYNTHPED, seed=seed) for seed in range(10)]
    taught = (student.TRAINING_SET, student.HELD_OUT, tiny_clip.TRAINING_SET, tiny_clip.HELD_OUT)
    sets = [people for world in worlds for people in benchmark.draw_benchmark_people(world)]
    sets += [benchmark.draw_pretraining_people(config) for config in (*taught, PARSED, PARSED_HELD_OUT)]
    families = [set(people.texture_seed.tolist()) for people in sets]
    assert len(set().union(*families)) == sum(map(len, families))
    dress = np.concatenate([np.concatenate([of.kind, of.color, of.pattern], axis=1) for of in sets])
    assert len({row.tobytes() for row in dress}) == len(dress)


def test_the_cameras_of_another_world_are_others():
    here, there = (benchmark.build_world(replace(FEW_PEOPLE, seed=seed)).cameras for seed in (0, 1))
    assert not any(np.array_equal(vars(here)[name], vars(there)[name]) for name in ("place", "yaw", "cast"))


def test_every_person_has_the_promised_pictures_and_every_query_a_match_by_another_camera():
    training, test = benchmark.plan_training(benchmark.SYNTHPED), benchmark.plan_test(benchmark.SYNTHPED)
    assert np.array_equal(np.unique(training.person, return_counts=True), [np.arange(152), np.full(152, 8)])
    assert np.array_equal(np.unique(test.person, return_counts=True), [np.arange(152, 352), np.full(200, 6)])
    pairs = set(zip(test.person.tolist(), test.camera.tolist(), strict=True))
    assert len(pairs) == 1200
    assert all(len(set(training.camera[training.person == person])) == 6 for person in range(152))
    assert len(set(np.concatenate([training.seed, test.seed]).tolist())) == 152 * 8 + 200 * 6


def test_a_family_s_pictures_say_so(mini):
    """Whoever shares a texture shares a number, and nobody else."""
    people = np.concatenate(
        [of.texture_seed for of in benchmark.draw_benchmark_people(benchmark.SYNTHPED_MINI)]
    )
    for pictures in (mini.train, mini.query):
        texture = torch.from_numpy(people)[pictures.person]
        assert torch.equal(texture[:, None] == texture, pictures.family[:, None] == pictures.family)
        assert pictures.cluster is pictures.family
    assert not set(mini.train.family.tolist()) & set(mini.query.family.tolist())
    assert replace(mini.train, family=None).cluster is mini.train.person


def test_the_split_says_what_it_holds(mini):
    assert mini.train.image.shape == (256, 3, *FEW_SIZE)
    assert mini.query.part_map.shape == (144, *FEW_SIZE)
    assert mini.query.image is mini.gallery.image
    assert sorted(set(mini.train.person.tolist())) == list(range(32))
    assert sorted(set(mini.query.person.tolist())) == list(range(32, 56))
    names = mini.train.names + mini.query.names
    assert len(set(names)) == 400
    for name, person, camera in zip(
        mini.query.names, mini.query.person.tolist(), mini.query.camera.tolist(), strict=True
    ):
        assert re.fullmatch(rf"{person + 1:04d}_c{camera + 1}s1_\d{{6}}_00\.jpg", name)


def test_every_picture_shows_enough_of_its_person(mini):
    for pictures in (mini.train, mini.query):
        labelled = (pictures.part_map > 0).float().mean((1, 2))
        assert labelled.min() > 0.05
        assert labelled.max() < 0.8
        assert pictures.part_map.max() < 20


def test_the_pictures_of_this_version_have_not_changed(mini):
    """Maps to the bit, colours within two grey levels: libraries differ. A change raises VERSION and renews these."""
    content = sha256(mini.train.part_map.numpy().tobytes() + mini.query.part_map.numpy().tobytes())
    assert (benchmark.VERSION, content.hexdigest()) == (2, MAPS_OF_MINI)
    by_camera = [mini.query.image[mini.query.camera == camera].float().mean((0, 2, 3)) for camera in range(6)]
    assert torch.allclose(torch.stack(by_camera), torch.tensor(COLORS_OF_MINI), rtol=0, atol=2)


def test_families_must_fill_the_sets():
    with pytest.raises(ValueError, match="families of 3"):
        replace(FEW_PEOPLE, family=3)


def test_severity_zero_makes_cameras_render_colours_alike():
    none, some = (draw_cameras(5, numpy_stream(0, "test"), severity) for severity in (0.0, 0.8))
    for mark in ("cast", "gamma", "contrast", "saturation", "blur", "noise", "quality"):
        assert np.ptp(getattr(none, mark), axis=0).max() == 0
        assert np.ptp(getattr(some, mark), axis=0).min() > 0
    gaps = np.diff(np.sort(none.yaw))
    assert gaps.max() < 2 * 360 / 5  # stratified: no side of a person is left out


def test_pretraining_people_come_with_their_pictures(cache):
    config = replace(benchmark.PRETRAINING, people=7, shots=3, cameras=4, passers_by=4, size=FEW_SIZE)
    drawn = benchmark.pretraining_people(config)
    assert len(drawn.people) == 7
    assert drawn.pictures.person.tolist() == [person for person in range(7) for _ in range(3)]
    assert drawn.pictures.image.shape == (21, 3, *FEW_SIZE)
    other = benchmark.pretraining_people(replace(config, name="held-out"))
    assert not set(other.people.texture_seed.tolist()) & set(drawn.people.texture_seed.tolist())


def test_the_export_reads_back_as_market1501(cache, tmp_path):
    folder = tmp_path / "export"
    export_market(FEW_PEOPLE, FEW_SIZE, folder)
    split = benchmark.load(FEW_PEOPLE)
    stems = [Path(name).stem for name in split.train.names]
    assert sorted(path.stem for path in (folder / "bounding_box_train").iterdir()) == sorted(stems)
    for part, pictures in (("query", split.query), ("bounding_box_test", split.gallery)):
        assert sorted(path.name for path in (folder / part).iterdir()) == sorted(pictures.names)
    maps = folder / "part_maps" / "lip"
    meta = json.loads((maps / "meta.json").read_text())
    assert meta["label_set"] == "lip"
    assert meta["flip_pairs"] == [[14, 15], [16, 17], [18, 19]]
    assert meta["parser"] == "renderer"
    for number, stem in enumerate(stems):
        with Image.open(maps / "bounding_box_train" / f"{stem}.png") as part_map:
            assert part_map.mode == "P"
            assert np.array_equal(np.asarray(part_map), split.train.part_map[number])
        with Image.open(folder / "bounding_box_train" / f"{stem}.jpg") as image:
            error = np.asarray(image, float) - split.train.image[number].permute(1, 2, 0).numpy()
        assert np.abs(error).mean() < 3


def test_the_palette_spreads_the_bits_of_the_class_id():
    palette = np.array(schp_palette()).reshape(256, 3)
    assert palette[:5].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128]]
    assert palette[8].tolist() == [64, 0, 0]
    assert len(np.unique(palette, axis=0)) == 256


def test_an_export_of_few_people_is_a_part_of_the_whole_to_the_byte(cache, tmp_path):
    export_market(FEW_PEOPLE, FEW_SIZE, tmp_path / "whole")
    seen = []
    count = lambda doing: lambda done, total: seen.append((doing, done, total))  # noqa: E731
    maps = export_market(FEW_PEOPLE, FEW_SIZE, tmp_path / "few", 2, count)
    assert maps == tmp_path / "few" / "part_maps" / "lip"
    assert [seen[0], seen[-1]] == [("rendering", 14, 14), ("writing", 28, 28)]
    files = {
        folder: {
            str(path.relative_to(tmp_path / folder)): path.read_bytes()
            for path in (tmp_path / folder).rglob("*.[jp][pn]g")
        }
        for folder in ("whole", "few")
    }
    assert len(files["few"]) == 2 * 4 + 2 * 3 + 2 * 3 + 2 * 4
    assert files["few"].items() < files["whole"].items()
    people = {
        which: {path.name[:4] for path in (tmp_path / "few" / which).iterdir()}
        for which in ("bounding_box_train", "query")
    }
    assert people == {"bounding_box_train": {"0001", "0002"}, "query": {"0005", "0006"}}
    for one in (1, 5):
        with pytest.raises(
            UserError, match=f"^--people {one}: of few, 2 to 4 training identities and as many test"
        ):
            export_market(FEW_PEOPLE, FEW_SIZE, tmp_path / "none", one)
    assert not (tmp_path / "none").exists()


def test_an_export_never_mixes_with_other_files(cache, tmp_path):
    (tmp_path / "old.jpg").write_text("")
    with pytest.raises(UserError, match="is not empty"):
        export_market(FEW_PEOPLE, FEW_SIZE, tmp_path)
    with pytest.raises(UserError, match="is a file"):
        export_market(FEW_PEOPLE, FEW_SIZE, tmp_path / "old.jpg")


def test_the_sheet_shows_pictures_beside_their_maps(mini, tmp_path):
    draw_sheet(mini, tmp_path / "sheet.png", people=3, views=4)
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape[1] == 4 * 2 * 32
    first = mini.train.image[8].permute(1, 2, 0).numpy()  # the second person's first picture
    assert np.array_equal(pixels[64:128, :32], first)
    assert np.array_equal(pixels[64:128, 32:64], LIP_COLORS[mini.train.part_map[8].numpy()])
