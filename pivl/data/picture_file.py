"""Picture files as data sets and parsers have them: the one place where Pillow opens a file.

Only FORMATS are tried (Pillow would give an EPS named .jpg to Ghostscript), sizes are held to MAX_PIXELS before a pixel
is decoded, and whatever a damaged file makes Pillow raise is one line.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from pivl.errors import Unreadable, UserError, explain
from pivl.system.files import open_regular

FORMATS = ("JPEG", "PNG", "BMP", "PPM", "GIF", "WEBP", "TIFF")  # what Pillow knows at once stands first
PNG = ("PNG",)
MAX_PIXELS = 89_478_485  # from which on Pillow warns; ten times a picture of 4K
TOO_LARGE = f"more than the {MAX_PIXELS // 10**6} million pixels that are read"
WHITE = (255, 255, 255)
GREY, PALETTE = 0, 3  # kinds of PNG; the others hold colours or transparency
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
WHITE_IS_ZERO, SIGNED = 0, 2  # what they may be
UNUSED_BITS = 4  # see _eight_bits

Turn = Image.Transpose
UPRIGHT = 1
TURNS = {
    2: Turn.FLIP_LEFT_RIGHT,
    3: Turn.ROTATE_180,
    4: Turn.FLIP_TOP_BOTTOM,
    5: Turn.TRANSPOSE,
    6: Turn.ROTATE_270,
    7: Turn.TRANSVERSE,
    8: Turn.ROTATE_90,
}  # by EXIF orientation
SIDEWAYS = (Turn.TRANSPOSE, Turn.ROTATE_270, Turn.TRANSVERSE, Turn.ROTATE_90)


def read_rgb(path: Path) -> Image.Image:
    """Returns a picture as it is meant to be seen: RGB of 8 bits, turned as its EXIF tag says.

    16-bit grey is scaled from its whole range, what is transparent lies on white, palette, grey and CMYK become RGB.
    Raises Unreadable, one line, if it is missing, damaged, too large, of another format, several pictures in one, or
    wholly transparent, or of numbers whose range nobody knows: floating point, signed, 32 bits, or 16 of which the upper
    four are not used.
    """
    with _opened(path, FORMATS) as picture:
        picture.load()
        rgb, turn = _rgb(picture), _turn(picture)
        return rgb if turn is None else rgb.transpose(turn)


def read_size(path: Path, formats: tuple[str, ...] = FORMATS) -> tuple[int, int]:
    """Height and width that read_rgb gives a picture; of JPEG, its header alone is read. Raises Unreadable."""
    with _opened(path, formats) as picture:
        if isinstance(picture, TiffImageFile):
            picture.load()  # versions of Pillow differ in when they turn it
        return picture.size if _turn(picture) in SIDEWAYS else (picture.height, picture.width)


def read_text(path: Path, key: str) -> str:
    """What the PNG at `path` says under `key` before its pixels, empty where it says nothing. Raises Unreadable."""
    with _opened(path, PNG) as picture:
        return str(picture.info.get(key, ""))


def is_converted(path: Path) -> bool:
    """Returns whether read_rgb does more for a picture than change its mode: turn it, scale it, lay it on white.

    Until the second version of the decoding all that was left out in silence.
    """
    with _opened(path, FORMATS) as picture:
        return _turn(picture) is not None or picture.mode[0] == "I" or picture.has_transparency_data


def read_ids(path: Path) -> np.ndarray:
    """Returns the numbers in an 8-bit grey or palette PNG as they are stored, uint8 [H, W].

    Raises Unreadable if it is missing, damaged or too large, and UserError if it is of another depth or kind, or has
    an EXIF tag that turns it.
    """
    with open_png(path) as picture:
        depth, kind = _depth_and_kind(path)
        if depth != 8 or kind not in (GREY, PALETTE):
            raise UserError(
                f"{path}: not an 8-bit grey or palette PNG but {depth}-bit {picture.mode}; save class ids, not "
                "colours, or where SCHP wrote it, convert it with pivl-bench parse import --from schp"
            )
        return np.array(picture)


def count_colours(path: Path) -> int:
    """Returns how many colours the palette of a PNG has, 0 where it has none. Raises Unreadable."""
    with _opened(path, PNG) as picture:
        return 0 if picture.palette is None else len(picture.palette.getdata()[1]) // 3


@contextmanager
def open_png(path: Path) -> Iterator[Image.Image]:
    """Yields a decoded PNG of any kind that no EXIF tag turns. Raises UserError as read_ids does."""
    with _opened(path, PNG) as picture:
        picture.load()
        if _turn(picture) is not None:
            raise UserError(f"{path}: an EXIF tag turns this map; save it upright, as its image is read")
        yield picture


def _depth_and_kind(path: Path) -> tuple[int, int]:
    """Returns what a PNG's header says of its pixels: Pillow stretches grey of fewer than 8 bits to 0..255 in silence."""
    with open_regular(path) as file:
        depth, kind = file.read(26)[24:]
    return depth, kind


@contextmanager
def _opened(path: Path, formats: tuple[str, ...]) -> Iterator[Image.Image]:
    """Yields a picture of which the header was read; what Pillow raises, now or in the block, becomes Unreadable."""
    try:
        with open_regular(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata; what spoils a picture is an error
            with Image.open(file, formats=formats) as picture:
                _check(picture)
                yield picture
    except UserError:
        raise
    except Exception as error:  # SyntaxError, struct.error, zlib.error, OverflowError, MemoryError, ...
        raise Unreadable(path, _reason(error, path, formats)) from error


def _reason(error: Exception, path: Path, formats: tuple[str, ...]) -> str:
    match error:
        case UnidentifiedImageError():
            return f"no header of a {' or '.join(', '.join(formats).rsplit(', ', 1))} file"
        case Image.DecompressionBombError():
            return TOO_LARGE
        case _:
            return explain(error, path)


def _check(picture: Image.Image) -> None:
    """Raise ValueError for a header that is not of one picture of a size that is read."""
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height}, {TOO_LARGE}")
    if min(width, height) < 1:
        raise ValueError(f"{width} x {height} pixels")
    if picture.format != "MPO" and getattr(picture, "is_animated", False):  # an MPO's first is the photograph
        raise ValueError("several images in one file")


def _turn(picture: Image.Image) -> Turn | None:
    """How the EXIF tag wants the picture turned; a tag that cannot be read turns nothing, as with other programs."""
    if isinstance(picture, TiffImageFile):
        return None  # Pillow did it
    try:
        return TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, UPRIGHT))
    except Exception:  # damaged metadata raises what its parser happens to raise
        return None


def _rgb(picture: Image.Image) -> Image.Image:
    """Returns a decoded picture of any mode as RGB; ValueError where its numbers do not say what they mean."""
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format in ("PNG", "PPM")):
        return _eight_bits(picture).convert("RGB")
    if picture.mode in ("I", "F") or _is_signed(picture):
        raise ValueError("floating point, signed or 32-bit numbers of unknown range; save it with 8 bits")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    above = picture if picture.mode == "RGBA" else picture.convert("RGBA")
    if above.getchannel("A").getbbox() is None:
        raise ValueError("transparent all over; save it without transparency")
    white = Image.new("RGB", picture.size, WHITE)
    white.paste(above, mask=above)
    return white


def _is_signed(picture: Image.Image) -> bool:
    """Returns whether a TIFF says that its numbers may be negative, of which Pillow makes large ones."""
    return isinstance(picture, TiffImageFile) and SIGNED in picture.tag_v2.get(SAMPLE_FORMAT, ())


def _eight_bits(picture: Image.Image) -> Image.Image:
    """16-bit grey scaled to 8 by its whole range.

    Raises ValueError for one that has only small numbers, as cameras of 12 bits write them: it would be black.
    """
    bits = 16
    if isinstance(picture, TiffImageFile):
        bits = picture.tag_v2[BITS_PER_SAMPLE][0]
        if picture.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO:
            raise ValueError(f"{bits}-bit grey with white as 0; save it with 8 bits")
    if "transparency" in picture.info:
        raise ValueError("16-bit grey of which one value is transparent; save it with 8 bits")
    values, top = np.asarray(picture), 2**bits - 1
    largest = int(values.max())
    if 0 < largest <= top >> UNUSED_BITS:
        raise ValueError(
            f"{bits}-bit grey with no value above {largest} of {top}; save it with 8 bits, in the range it has"
        )
    nearest = (np.arange(top + 1) * 255 + top // 2) // top
    return Image.fromarray(nearest.astype(np.uint8)[values])
