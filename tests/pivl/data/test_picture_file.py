"""Picture files: pixels as they are meant to be seen, or one line; nothing saturates, waits or fills the memory."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from pivl.data.part_maps.labels import LIP
from pivl.data.part_maps.reading import read_map
from pivl.data.picture_file import MAX_PIXELS, read_ids, read_rgb, read_size
from pivl.errors import UserError
from tests.support.mutations import COUNTS, check_reader
from tests.support.picture_files import TURNED, png

SIZE = (12, 7)  # height and width
COLORS = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
GREYS = COLORS[..., 0]


def save(path: Path, pixels: np.ndarray | Image.Image, form: str = "PNG", **options) -> Path:
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.ascontiguousarray(pixels))
    picture.save(path, format=form, **options)
    return path


def seen(path: Path) -> np.ndarray:
    rgb = read_rgb(path)
    assert rgb.mode == "RGB"
    assert read_size(path) == (rgb.height, rgb.width)
    return np.asarray(rgb)


def refusal(path: Path) -> str:
    """The line with which a picture is refused."""
    with pytest.raises(UserError) as refused:
        read_rgb(path)
    line = str(refused.value)
    assert "\n" not in line
    assert line.startswith(f"cannot read {path} (")
    assert line.endswith("); get it again")
    return line


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        *(("RGB", form) for form in ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "PPM", "GIF")),
        *(("L", form) for form in ("JPEG", "PNG", "BMP", "TIFF", "PPM", "GIF")),
        ("P", "PNG"), ("P", "GIF"), ("1", "PNG"), ("1", "PPM"), ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("YCbCr", "TIFF"),
    ],
)  # fmt: skip
def test_ordinary_pictures_have_the_pixels_that_pillow_gives_them(tmp_path, mode, form):
    path = save(tmp_path / "a", Image.fromarray(COLORS).convert(mode), form)
    with Image.open(path) as picture:
        assert (seen(path) == np.asarray(picture.convert("RGB"))).all()


@pytest.mark.parametrize(("kind", "form"), [("<u2", "PNG"), ("<u2", "TIFF"), (">u2", "TIFF"), ("<i4", "PPM")])
def test_sixteen_bits_are_scaled_from_their_whole_range(tmp_path, kind, form):
    """Grey times 257 is the grey that it was made of, and every value goes to the nearest of 256."""
    path = save(tmp_path / "a", (GREYS.astype(np.int64) * 257).astype(kind), form)
    with Image.open(path) as picture:
        assert picture.mode[0] == "I"
    assert (seen(path) == GREYS[..., None]).all()
    values = np.random.default_rng(1).integers(0, 65536, SIZE)
    naive = np.vectorize(lambda value: round(value * 255 / 65535))(values)
    assert (seen(save(path, values.astype(kind), form)) == naive[..., None]).all()
    assert not seen(save(path, np.zeros(SIZE, kind), form)).any()


def test_colours_of_sixteen_bits_keep_their_range(tmp_path):
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in COLORS.astype(np.uint16) * 257)
    path = tmp_path / "a.png"
    path.write_bytes(png(SIZE[1], SIZE[0], 16, 2, rows))
    assert (seen(path) == COLORS).all()


def test_numbers_of_unknown_range_are_refused_by_name(tmp_path):
    path = tmp_path / "a.tif"
    unknown = "floating point, signed or 32-bit numbers of unknown range; save it with 8 bits"
    for numbers in (np.float32(GREYS / 255), np.int32(GREYS) * 257, np.int32(GREYS) - 99):
        assert unknown in refusal(save(path, numbers, "TIFF"))
    path.write_bytes(b"Pf\n7 12\n-1.0\n" + np.float32(GREYS).tobytes())
    assert unknown in refusal(path)
    signed = TiffImagePlugin.ImageFileDirectory_v2()
    signed[339] = 2
    assert unknown in refusal(save(path, GREYS, "TIFF", tiffinfo=signed))
    dark = (GREYS.astype(np.uint16) * 16).clip(1, 4000)
    for form in ("PNG", "TIFF"):
        assert f"16-bit grey with no value above {dark.max()} of 65535" in refusal(save(path, dark, form))
    inverted = TiffImagePlugin.ImageFileDirectory_v2()
    inverted[262] = 0
    full = GREYS.astype(np.uint16) * 257
    assert "white as 0" in refusal(save(path, full, "TIFF", tiffinfo=inverted))
    assert "one value is transparent" in refusal(save(path, full, "PNG", transparency=7))


def over_white(colors: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return np.rint(colors * share + 255 * (1 - share))


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_what_is_transparent_lies_on_white(tmp_path, form):
    path, alpha = tmp_path / "a", np.random.default_rng(2).integers(0, 256, SIZE, dtype=np.uint8)
    alpha[0], alpha[1] = 0, 255
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    save(path, np.concatenate([COLORS, alpha[..., None]], -1), form, **options)
    assert np.abs(seen(path) - over_white(COLORS, alpha)).max() <= 1
    assert (seen(path)[0] == 255).all()
    assert (seen(path)[1] == COLORS[1]).all()
    assert "transparent all over" in refusal(save(path, Image.new("RGBA", (7, 12)), form))
    if form != "WEBP":
        save(path, np.stack([GREYS, alpha], -1), form)
        assert np.abs(seen(path) - over_white(GREYS[..., None].repeat(3, -1), alpha)).max() <= 1


def test_a_transparent_colour_of_a_palette_or_of_a_picture_is_white(tmp_path):
    palette = Image.fromarray(COLORS).quantize(8)
    index, colors = np.asarray(palette), np.asarray(palette.convert("RGB"))
    for form in ("PNG", "GIF"):
        shown = seen(save(tmp_path / "a", palette, form, transparency=3))
        assert (shown == np.where((index == 3)[..., None], 255, colors)).all()
    key = tuple(COLORS[2, 2].tolist())
    shown = seen(save(tmp_path / "a", COLORS, transparency=key))
    assert (shown == np.where((np.array(key) == COLORS).all(-1)[..., None], 255, COLORS)).all()


@pytest.mark.parametrize("tag", TURNED)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_exif_tag_turns_the_picture(tmp_path, form, tag):
    exif = Image.Exif()
    exif[274] = tag
    options = {"lossless": True} if form == "WEBP" else {}
    path = save(tmp_path / "a", TURNED[tag](COLORS), form, exif=exif, **options)
    if form != "JPEG":
        assert (seen(path) == COLORS).all()
    assert read_size(path) == SIZE
    without = save(tmp_path / "b", TURNED[tag](COLORS), form, **options)
    assert (TURNED[tag](seen(path)) == seen(without)).all()


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0nothing", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
def test_a_damaged_or_senseless_tag_turns_nothing(tmp_path, exif):
    plain = seen(save(tmp_path / "a", COLORS, "JPEG"))
    assert (seen(save(tmp_path / "b", COLORS, "JPEG", exif=exif)) == plain).all()
    for senseless in (0, 9, 3000):
        tag = Image.Exif()
        tag[274] = senseless
        assert (seen(save(tmp_path / "b", COLORS, "JPEG", exif=tag)) == plain).all()


def other_formats() -> dict[str, bytes]:
    """What Pillow would open by other programs or libraries, and what is no picture."""
    files = {}
    for form in ("EPS", "ICO", "PCX", "TGA", "JPEG2000", "PDF", "SGI", "DDS"):
        with io.BytesIO() as content:
            Image.fromarray(COLORS).save(content, form)
            files[form] = content.getvalue()
    return files | {"html": b"<html>", "lfs": b"version https://git-lfs.github.com/spec/v1\n", "empty": b""}


def test_only_the_formats_that_are_meant_are_opened(tmp_path):
    path = tmp_path / "a.jpg"
    for content in other_formats().values():
        path.write_bytes(content)
        assert "no header of a JPEG, PNG, BMP, PPM, GIF, WEBP or TIFF file" in refusal(path)


def test_several_pictures_in_one_are_refused_but_for_a_photographs_thumbnails(tmp_path):
    other = [Image.fromarray(COLORS[::-1])]
    for form in ("GIF", "TIFF", "PNG", "WEBP"):
        path = save(tmp_path / "a", COLORS, form, save_all=True, append_images=other)
        assert "several images in one file" in refusal(path)
    save(tmp_path / "a", COLORS, "MPO", save_all=True, append_images=other)
    save(tmp_path / "b", COLORS, "JPEG")
    assert (seen(tmp_path / "a") == seen(tmp_path / "b")).all()


@pytest.mark.parametrize("side", [9_500, 13_000, 20_000, 2**31 - 1])
def test_absurd_sizes_are_refused_by_the_header(tmp_path, side):
    """cases/fuzz/3-maps-1 and 3-maps-2: 20,000 x 20,000 in 65 bytes."""
    path = tmp_path / "a.png"
    for kind in (0, 2):
        path.write_bytes(png(side, side, 8, kind))
        assert f"more than the {MAX_PIXELS // 10**6} million pixels that are read" in refusal(path)
        with pytest.raises(UserError, match=r"not a readable PNG \(.*million pixels"):
            read_map(path, LIP)
        with pytest.raises(UserError, match="million pixels"):
            read_size(path)
    path.write_bytes(png(0, 5, 8, 0))
    refusal(path)


def test_a_truncated_picture_is_one_line_whatever_its_format(tmp_path):
    for form in ("JPEG", "PNG", "BMP", "PPM", "GIF", "WEBP", "TIFF"):
        path = save(
            tmp_path / "a", np.random.default_rng(0).integers(0, 256, (99, 77, 3), dtype=np.uint8), form
        )
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * 2 // 3])
        refusal(path)


@pytest.mark.parametrize("read", [read_rgb, read_size, read_ids, lambda path: read_map(path, LIP)])
def test_what_is_no_file_is_one_line_and_nobody_waits(tmp_path, read):
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to("/nowhere")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    for name in (
        "fifo.jpg",
        "folder.jpg",
        "link.jpg",
        "loop.jpg",
        "absent.jpg",
        "a" * 300,
        "a\0b",
        "/dev/zero",
    ):
        with pytest.raises(UserError) as refused:
            read(tmp_path / name)
        assert "\n" not in str(refused.value)
        assert name in str(refused.value)


def test_a_map_that_a_tag_would_turn_is_refused(tmp_path):
    tag = Image.Exif()
    tag[274] = 6
    path = save(tmp_path / "a.png", GREYS // 13, exif=tag)
    with pytest.raises(UserError, match=r"a.png: an EXIF tag turns this map"):
        read_map(path, LIP)


FORMS = {
    "a.jpg": ("RGB", "JPEG", {}),
    "a.png": ("RGBA", "PNG", {}),
    "b.png": ("P", "PNG", {}),
    "a.webp": ("RGB", "WEBP", {"lossless": True}),
    "a.tif": ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    "a.bmp": ("RGB", "BMP", {}),
    "a.gif": ("P", "GIF", {}),
    "a.ppm": ("RGB", "PPM", {}),
}


@pytest.mark.parametrize("name", FORMS)
@COUNTS
def test_damaged_pictures_are_one_line_or_a_picture(tmp_path, name, count):
    mode, form, options = FORMS[name]
    tag = Image.Exif()
    tag[274] = 6
    options = options if form in ("BMP", "GIF", "PPM") else {**options, "exif": tag}
    content = save(tmp_path / "whole", Image.fromarray(COLORS).convert(mode), form, **options).read_bytes()
    check_reader(tmp_path / name, content, seen, count)


@COUNTS
def test_damaged_maps_are_one_line_or_a_map(tmp_path, count):
    def read(path: Path) -> None:
        assert int(read_map(path, LIP, SIZE).max()) <= 19

    content = save(tmp_path / "whole", GREYS // 13).read_bytes()
    check_reader(tmp_path / "a.png", content, read, count)
