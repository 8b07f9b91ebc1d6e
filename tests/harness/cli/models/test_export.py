"""`export`: a run by its id becomes a file with its sidecar, held to torch on pictures, in one line."""

import json
import re

import pytest

import pivl
from tests.support.commands import run_main
from tests.support.run_folders import fresh, write_model
from tests.support.small_datasets import write_picture


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_a_run_becomes_a_file_with_its_sidecar(tmp_path, capsys):
    write_model(tmp_path / "results" / "runs" / "0123456789abcdef", *fresh("resnet"))
    for number in range(4):
        write_picture(tmp_path / "pictures" / f"{number}.png", number)
    typed = (
        "export",
        "0123456789abcdef",
        "--results",
        str(tmp_path / "results"),
        "--pictures",
        str(tmp_path / "pictures"),
    )
    output = tmp_path / "model.safetensors"
    assert run_main(*typed, "--format", "safetensors", "--output", str(output)) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(
        rf"{output}: [\d.]+ MB, 0\.0e\+00 from torch on 4 images; model\.json says how to use it\n", out
    )
    first, about, *steps = err.splitlines()
    assert first == "export of 0123456789abcdef as safetensors: loading"
    assert about.startswith("0123456789abcdef: resnet of CLIP's, images of ")
    assert steps == [
        "0123456789abcdef: reading images to try the file on",
        "0123456789abcdef: writing it as safetensors",
        "0123456789abcdef: running the file on 4 images, and comparing with torch",
    ]
    assert run_main(*typed, "--format", "safetensors", "--output", str(output), "--quiet") == 0
    assert not capsys.readouterr().err
    assert pivl.load(output).facts == pivl.load(tmp_path / "results" / "runs" / "0123456789abcdef").facts
    assert json.loads(output.with_suffix(".json").read_text())["exported_as"] == "safetensors"
    assert run_main(*typed, "--format", "onnx", "--output", str(output)) == 2
    assert "onnx files end in .onnx" in capsys.readouterr().err
