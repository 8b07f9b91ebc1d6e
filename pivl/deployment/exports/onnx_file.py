"""ONNX files: written by torch's exporter with a batch of any size, run by onnxruntime on a CPU (extra [export])."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pivl.deployment.exports.network import INPUT, OUTPUT, Exported
from pivl.errors import UserError, first_line
from pivl.system.extras import need


def write_onnx(network: Exported, path: Path, images: Tensor, opset: int) -> None:
    """Writes the network. Raises UserError where torch or onnx cannot, or are not installed."""
    _need()
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what onnxscript does to torch's internals
            torch.onnx.export(
                network, (images,), str(path), dynamo=True, opset_version=opset, external_data=False, verbose=False,
                input_names=[INPUT], output_names=[OUTPUT],
                dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}},
            )  # fmt: skip
    except Exception as error:  # torch.onnx has errors of its own for each step
        raise UserError(
            f"torch cannot write this network as ONNX ({first_line(error):.150}); try torchscript"
        ) from error
    finally:
        quiet.setLevel(level)


def read_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    """Returns the network in a file as onnxruntime runs it."""
    runtime = _need()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        (found,) = session.run([OUTPUT], {INPUT: images.numpy()})
        return torch.from_numpy(found)

    return run


def _need() -> Any:
    *_, runtime = [need(package, "export", "ONNX") for package in ("onnx", "onnxscript", "onnxruntime")]
    return runtime
