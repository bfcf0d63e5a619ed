"""Makes an image that a stranger sent safe to keep and to show.

What it is, its content says, not its name. It is decoded and written anew, so that nothing but pixels survives: no
metadata (a place, a phone's name), nothing hidden behind the image, no second meaning for another program.
"""

from __future__ import annotations

import io
import warnings

from PIL import Image as Pillow
from PIL import ImageOps

from bot.errors import ImageRefused
from bot.files.model import Image

LARGEST = 10 * 1024 * 1024  # bytes
# A photo is decoded at a fraction of its size; other kinds take up to 14 bytes a pixel.
MOST_PIXELS = {"JPEG": 40_000_000, "PNG": 20_000_000, "WEBP": 20_000_000}
LONGEST_SIDE = 2048
_FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


def clean_image(content: bytes) -> Image:
    """Read JPEG, PNG or WebP, turn it upright, shrink it to 2048 pixels a side, and write it anew.

    The first picture of an animation is kept. Raises ImageRefused. Takes up to two seconds of a processor.
    """
    if len(content) > LARGEST:
        raise ImageRefused("too_large")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own limit is not ours
            with Pillow.open(io.BytesIO(content), formats=tuple(_FORMATS)) as opened:
                form = str(opened.format)
                if opened.width * opened.height > MOST_PIXELS[form]:  # said by the header, before anything is decoded
                    raise ImageRefused("too_many_pixels")
                if form == "JPEG":
                    opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # decodes a large photo at a fraction
                picture = _plain(ImageOps.exif_transpose(opened))
    except ImageRefused:
        raise
    except Pillow.DecompressionBombError:
        raise ImageRefused("too_many_pixels") from None
    except Exception:  # a decoder may fail in any way on bytes made to hurt it
        raise ImageRefused("not_image") from None
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Pillow.Resampling.LANCZOS)
    if form == "JPEG" and picture.mode != "RGB":
        picture = picture.convert("RGB")
    written = io.BytesIO()
    picture.save(written, form, **({} if form == "PNG" else {"quality": 85}), optimize=form == "PNG")
    return Image(written.getvalue(), _FORMATS[form], picture.width, picture.height)


def _plain(picture: Pillow.Image) -> Pillow.Image:
    """Eight bits a channel and nothing beside the pixels."""
    if picture.mode.startswith("I"):  # sixteen bits of grey; converting would cut them off
        picture = picture.convert("I").point(lambda grey: grey / 256).convert("L")
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    plain = Pillow.new(mode, picture.size)
    plain.paste(picture.convert(mode))
    return plain
