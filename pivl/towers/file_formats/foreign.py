"""What a file is that holds no weights as we read them, in words, and what to do with it."""

import re
import zipfile
from collections.abc import Collection, Iterable
from pathlib import Path

AGAIN = "copy or download it again"
UNPACK = "unpack it and name the weights in it"
SAVE = "load it where you trust it, and save the network's state_dict() with torch.save"
IN_TORCH = "save the network's state_dict() in PyTorch, and name that file"
LOOKED_AT = 2**12  # bytes that tell what a file is
BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (  # patterns of the first bytes, what begins so, what to do
    (
        rb"version https://git-lfs",
        "a Git LFS pointer to them",
        "run git lfs pull where it lies, or download it again",
    ),
    (
        rb"(?i:\s*<(!doctype|html|head|\?xml|error))",
        "a web page, as a failed download leaves",
        "download it again",
    ),
    (rb"\x1f\x8b", "a gzip archive", UNPACK),
    (rb"BZh|\xfd7zXZ|7z\xbc\xaf|\x28\xb5\x2f\xfd|Rar!", "a compressed archive", UNPACK),
    (rb".{257}ustar", "a tar archive", UNPACK),
    (rb"\x89HDF", "an HDF5 file, as Keras writes", IN_TORCH),
    (rb"GGUF|ggjt|lmgg", "a GGUF file of quantised numbers", "name the file that it was made from"),
    (rb"\x93NUMPY", "a NumPy array", "save a state dict of tensors with torch.save"),
    (rb"\x08[\x01-\x20]\x12.{1,64}", "an ONNX model", IN_TORCH),
    (rb"\x08\x01\x12.{1,20}saved_model|\x0a.{0,64}(serve|model/)", "a TensorFlow model", IN_TORCH),
    (rb"\x00{512}", "zeros, as an interrupted download leaves", AGAIN),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF|BM", "an image", "check the path"),
    (rb"%PDF", "a PDF", "check the path"),
    (rb"\x80[\x02-\x05]", "a pickle that torch.save did not write whole", f"{AGAIN}, or {SAVE}"),
    (
        rb'\s*\{.*"weight_map"',
        "the index of a model in several files",
        "join these into one, and name it",
    ),
    (rb"\s*[\[{]", "JSON", "name the weights that it belongs to"),
)
OPENAI = "name OpenAI's own file, as RN50.pt or ViT-B-16.pt"
NETWORKS: tuple[tuple[str, str, str], ...] = (  # what names of tensors begin with, whose they are, what to do
    (r".*lora_", "a LoRA, which changes other weights", "merge it into its CLIP, and name what comes of it"),
    (
        r"image_encoder\.|prompt_learner\.",
        "a checkpoint of CLIP-ReID's training (a trained image encoder without CLIP's whole text tower)",
        f"{OPENAI}, from which it started",
    ),
    (r"text_model\.|vision_model\.", "a CLIP in Hugging Face's names", OPENAI),
    (
        r"text\.transformer\.|visual\.trunk\.",
        "a CLIP of open_clip's with a tower that is not OpenAI's",
        OPENAI,
    ),
    (r"fushion\.3\.", "SCHP's network, a human parser", "name it to parse --parser schp"),
    (
        r"segformer\.|decode_head\.",
        "a segmentation model",
        "name its folder to parse --parser transformers --model",
    ),
    (r"features\.0\.0\.|conv_stem\.", "a MobileNetV2 or its like", "name it with --student-weights"),
    (r"(base\.|backbone\.)?layer1\.0\.", "a ResNet as torchvision, timm and torchreid name it", OPENAI),
    (r"(base\.|backbone\.)?blocks\.0\.", "a ViT as timm names it", OPENAI),
    (r"visual\.", "a CLIP's image tower without its text tower", OPENAI),
)


def describe_bytes(beginning: bytes) -> str:
    """Returns what begins with `beginning`, and what to do: `a gzip archive; unpack it ...`."""
    if not beginning:
        return f"an empty file; {AGAIN}"
    for pattern, what, advice in BEGINNINGS:
        if re.match(pattern, beginning, re.DOTALL):
            return f"{what}; {advice}"
    is_text = not set(beginning) - {*b"\t\n\r", *range(32, 127)}
    return f"{'text' if is_text else 'other or damaged bytes'}; {AGAIN}"


def describe_archive(names: Collection[str]) -> str:
    """Returns what a zip archive with entries of `names` is, and what to do."""
    if names and all(name.endswith(".npy") for name in names):
        return "NumPy arrays; save a state dict of tensors with torch.save"
    if any(name.endswith(("/model.json", "/archive_format", "/byteorder")) for name in names):
        return (
            "a program of torch in a form that is not read; save the network's state_dict() with torch.save"
        )
    if any(name.endswith((".pt", ".pth", ".bin", ".safetensors", ".pt.tar", ".pth.tar")) for name in names):
        return f"a zip archive; {UNPACK}"
    return f"a zip archive of other things; {UNPACK}, if any"


def names_in(path: Path) -> list[str] | None:
    """Returns the names in a zip archive; None for one that is not whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return None


def describe_names(names: Iterable[str], advice: str) -> str:
    """Whose network has tensors of these names, and what to do about it: `advice` where nobody's is known."""
    known = sorted(names)
    if not known:
        return f"a file without a tensor; {advice}"
    for pattern, what, their_advice in NETWORKS:
        if any(re.match(pattern, name) for name in known):
            return f"{what}; {their_advice}"
    more = ", ..." if len(known) > 3 else ""
    return f"{len(known)} tensors ({', '.join(known[:3]):.200}{more}); {advice}"
