"""Hugging Face models as parsers: a tiny random SegFormer in a folder, its labels brought to ours."""

import json
import os
import re

import numpy as np
import pytest
import torch
from PIL import Image

from pivl.data.part_maps.labels import ATR, IGNORE, LIP, PASCAL
from pivl.errors import UserError
from pivl.parsers.huggingface import _read_label_map, label_table, transformers
from tests.support.mutations import COUNTS, check_reader
from tests.support.parser_files import end, halves

pytest.importorskip("transformers")
ATR_NAMES = [
    part.capitalize().replace(" ", "-") for part in ATR.parts
]  # as SegFormer's clothes models write them
CPU = torch.device("cpu")


def write_model(folder, names, size=(32, 16), **preprocessing):
    """A SegFormer of random weights for labels `names`, with a processor that resizes to `size`."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

    config = SegformerConfig(
        num_encoder_blocks=2,
        depths=[1, 1],
        sr_ratios=[2, 1],
        hidden_sizes=[8, 8],
        patch_sizes=[7, 3],
        strides=[4, 2],
        num_attention_heads=[1, 1],
        mlp_ratios=[1, 1],
        decoder_hidden_size=8,
        id2label=dict(enumerate(names)),
        label2id={name: number for number, name in enumerate(names)},
    )
    torch.manual_seed(0)
    SegformerForSemanticSegmentation(config).save_pretrained(folder)
    SegformerImageProcessor(size={"height": size[0], "width": size[1]}, **preprocessing).save_pretrained(
        folder
    )
    return folder


def test_its_maps_are_the_models_own_answer(tmp_path):
    from transformers import SegformerForSemanticSegmentation, SegformerImageProcessor

    folder = write_model(tmp_path / "segformer", ATR_NAMES)
    parser = transformers(folder, None, None, CPU, mixed=False)
    images = [torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (40, 24 + seed, 3), np.uint8))
              for seed in range(2)]  # fmt: skip
    found = parser.parse(images)
    model = SegformerForSemanticSegmentation.from_pretrained(folder).eval()
    processor = SegformerImageProcessor.from_pretrained(folder)
    with torch.no_grad():
        output = model(**processor(images=[image.numpy() for image in images], return_tensors="pt"))
    sizes = [image.shape[:2] for image in images]
    for parsed, wanted in zip(
        found, processor.post_process_semantic_segmentation(output, sizes), strict=True
    ):
        agreeing = (parsed.part_map == wanted).float().mean()
        assert agreeing > 0.999  # but for ties of float32
        assert parsed.confidence.min() >= 1 / len(ATR_NAMES)
    assert parser.labels == ATR
    assert parser.facts["input_size"] == [32, 16]


def test_names_are_matched_and_a_table_of_the_users_goes_before(tmp_path):
    names = dict(enumerate(["Background", "Upper-clothes", "Left_arm", "Cape", "Bag"]))
    table = label_table(names, LIP, {"Cape": "coat", "Bag": None}, tmp_path)
    assert table[:6].tolist() == [0, 5, 14, 7, IGNORE, IGNORE]
    with pytest.raises(UserError, match=r"its label 'Cape' is none of label set lip; .* null for none"):
        label_table(names, LIP, {}, tmp_path)


@pytest.mark.parametrize("names", [PASCAL.parts, LIP.parts, ATR_NAMES])
def test_the_label_set_is_found_by_the_names(tmp_path, names):
    parser = transformers(write_model(tmp_path / "model", names), None, None, CPU, mixed=False)
    assert [part.replace(" ", "-") for part in parser.labels.parts] == [
        name.lower().replace(" ", "-") for name in names
    ]


def test_the_command_writes_maps_by_a_label_map(tmp_path, capsys):
    folder = write_model(tmp_path / "model", ["nothing", "somebody"])
    (tmp_path / "map.json").write_text(json.dumps({"nothing": "background", "somebody": "torso"}))
    (tmp_path / "images").mkdir()
    Image.fromarray(halves()).convert("RGB").save(tmp_path / "images" / "a.png")
    words = [tmp_path / "images", "--parser", "transformers", "--output", tmp_path / "maps"]
    model = ["--model", folder, "--label-map", tmp_path / "map.json", "--labels", "pascal"]
    assert end(*words, *model) == 0
    assert {*np.unique(Image.open(tmp_path / "maps" / "a.png"))} <= {0, PASCAL.parts.index("torso")}
    facts = json.loads((tmp_path / "maps" / "meta.json").read_text())
    assert (facts["label_set"], facts["parser"], facts["folder"]) == ("pascal", "transformers", "model")
    assert end(*words) == 2
    assert "name the folder of the model with --model" in capsys.readouterr().err


def refusal(folder, label_map=None):
    with pytest.raises(UserError) as refused:
        transformers(folder, None, label_map, CPU, mixed=False)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_what_cannot_be_used_is_one_line(tmp_path):
    assert "holds no model (model.safetensors or pytorch_model.bin)" in refusal(tmp_path)
    other = write_model(tmp_path / "other", ["wall", "floor"])
    assert "name one with --labels" in refusal(other)
    (tmp_path / "map.json").write_text("[1]")
    assert "not an object from the model's labels" in refusal(other, tmp_path / "map.json")
    (tmp_path / "map.json").write_text("{")
    assert "no JSON file" in refusal(other, tmp_path / "map.json")
    settings = other / "preprocessor_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "size": {"shortest_edge": 32}}))
    (tmp_path / "map.json").write_text('{"wall": "background", "floor": null}')
    assert "no height and width" in refusal(other, tmp_path / "map.json")
    (other / "config.json").write_text("{}")
    assert "no semantic-segmentation model" in refusal(other)


def change(file, **settings):
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))


def test_weights_that_lack_or_are_no_numbers_are_one_line(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = write_model(tmp_path / "model", PASCAL.parts)
    state = load_file(folder / "model.safetensors")
    name = "decode_head.classifier.bias"
    save_file({key: value for key, value in state.items() if key != name}, folder / "model.safetensors")
    assert f"its weights lack {name} (1 tensors in all), which would be random" in refusal(folder)
    save_file(state | {name: torch.full((7,), torch.nan)}, folder / "model.safetensors")
    assert f"model.safetensors: {name} holds numbers that are not finite" in refusal(folder)
    save_file(state | {name: torch.zeros(9)}, folder / "model.safetensors")
    assert f"its weights lack {name} of another shape (1 tensors in all)" in refusal(folder)


def test_pickled_weights_are_read_as_data(tmp_path):
    from safetensors.torch import load_file

    folder = write_model(tmp_path / "model", PASCAL.parts)
    image = torch.randint(0, 256, (32, 16, 3), dtype=torch.uint8)
    (safe,) = transformers(folder, None, None, CPU, mixed=False).parse([image])
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    (pickled,) = transformers(folder, None, None, CPU, mixed=False).parse([image])
    assert torch.equal(safe.confidence, pickled.confidence)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"id2label": {str(number): "head" for number in range(1, 8)}}, "does not name its labels from 0 on"),
        ({"id2label": {"zero": "background"}}, "no semantic-segmentation model|does not name its labels"),
        (
            {"id2label": {str(number): str(number) for number in range(300)}},
            "correct id2label|its weights lack",
        ),
        ({"hidden_sizes": [10**7, 8]}, "its weights lack|no semantic-segmentation model"),
        ({"num_attention_heads": [0, 0]}, "no semantic-segmentation model"),
        ({"auto_map": {"AutoConfig": "evil.Config"}, "model_type": "evil"}, "no semantic-segmentation model"),
    ],
)
def test_settings_of_strangers_are_one_line(settings, said, tmp_path):
    folder = write_model(tmp_path / "model", PASCAL.parts)
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'written')!r}, 'w')\n")
    change(folder / "config.json", **settings)
    assert re.search(said, refusal(folder))
    assert not (tmp_path / "written").exists()


def test_a_picture_that_the_settings_cannot_take_is_one_line(tmp_path):
    folder = write_model(tmp_path / "model", PASCAL.parts)
    change(folder / "preprocessor_config.json", image_mean=[0.5, 0.5])
    parser = transformers(folder, None, None, CPU, mixed=False)
    with pytest.raises(UserError, match=r"model: the model fails on an image .*; correct its settings"):
        parser.parse([torch.zeros(8, 8, 3, dtype=torch.uint8)])


@COUNTS
@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_damaged_settings_are_one_line_or_read(name, count, tmp_path):
    folder = write_model(tmp_path / "model", PASCAL.parts)
    image = torch.zeros(8, 8, 3, dtype=torch.uint8)

    def read(path):
        transformers(folder, PASCAL, None, CPU, mixed=False).parse([image])

    check_reader(folder / name, (folder / name).read_bytes(), read, count, names="model")


@COUNTS
def test_damaged_label_maps_are_one_line_or_read(count, tmp_path):
    path = tmp_path / "map.json"
    content = json.dumps({"nothing": "background", "Cape": None, "Bügel": "torso"}).encode()
    check_reader(path, content, _read_label_map, count)
    path.unlink()
    os.mkfifo(path)
    for odd in (path, tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(UserError, match="no JSON file"):
            _read_label_map(odd)
