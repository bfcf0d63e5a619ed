"""Of what strangers send as an image only pixels are kept, and nothing that they send takes the process with it."""

from __future__ import annotations

import io
import random
import resource
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import PngImagePlugin

from bot.errors import ImageRefused
from bot.files.images import LARGEST, LONGEST_SIDE, MOST_PIXELS, clean_image
from bot.files.model import Image
from bot.settings import PROJECT

MEDIA = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
SECRET = b"<script>alert('pangolin')</script>"
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def written(picture: Pillow.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def quarters(width: int = 80, height: int = 60) -> Pillow.Image:
    """Red and green above, blue and white below: whoever turns it can be told."""
    picture = Pillow.new("RGB", (width, height))
    half = (width // 2, height // 2)
    for place, colour in zip(((0, 0), (half[0], 0), (0, half[1]), half), (RED, GREEN, BLUE, WHITE), strict=True):
        picture.paste(colour, (*place, place[0] + half[0], place[1] + half[1]))
    return picture


def opened(image: Image) -> Pillow.Image:
    picture = Pillow.open(io.BytesIO(image.content))
    picture.load()
    return picture


def corners(picture: Pillow.Image) -> list[tuple[int, ...]]:
    """The colours at the middle of each quarter, as pure as they were painted."""
    plain = picture.convert("RGB")
    width, height = plain.size
    places = [(x, y) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    found = [plain.getpixel(place) for place in places]
    return [tuple(255 if part > 127 else 0 for part in pixel) for pixel in found if isinstance(pixel, tuple)]


def refusal(content: bytes) -> str:
    with pytest.raises(ImageRefused) as refused:
        clean_image(content)
    return refused.value.code


def png_of_size(width: int, height: int, data: bytes = b"", colour: int = 2) -> bytes:
    """A PNG that says to be so large, whatever it holds."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


# -- what is taken -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", MEDIA)
def test_a_jpeg_png_or_webp_comes_out_as_what_it_was_and_looks_the_same(form: str) -> None:
    image = clean_image(written(quarters(), form))
    assert (image.media_type, image.width, image.height) == (MEDIA[form], 80, 60)
    assert opened(image).format == form and opened(image).size == (80, 60)
    assert corners(opened(image)) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("form", MEDIA)
def test_what_comes_out_goes_in_again(form: str) -> None:
    once = clean_image(written(quarters(), form))
    twice = clean_image(once.content)
    assert (twice.media_type, twice.width, twice.height) == (once.media_type, once.width, once.height)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 5000), (5000, 1), (2048, 2048), (4000, 3000), (100, 6000)])
def test_no_side_is_longer_than_2048_pixels_and_none_is_nothing(width: int, height: int) -> None:
    for form in MEDIA:
        image = clean_image(written(Pillow.new("RGB", (width, height), RED), form))
        assert 1 <= image.width <= min(width, LONGEST_SIDE) and 1 <= image.height <= min(height, LONGEST_SIDE)
        assert opened(image).size == (image.width, image.height)
        if min(width, height) > 1000:
            assert abs(image.width / image.height - width / height) < 0.01


@pytest.mark.parametrize(
    ("orientation", "seen"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (5, [RED, BLUE, GREEN, WHITE]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (7, [WHITE, GREEN, BLUE, RED]),
        (8, [GREEN, WHITE, RED, BLUE]),
        (0, [RED, GREEN, BLUE, WHITE]),
        (99, [RED, GREEN, BLUE, WHITE]),
    ],
)
@pytest.mark.parametrize("form", MEDIA)
def test_a_photo_is_turned_the_way_the_phone_was_held(form: str, orientation: int, seen: list[Any]) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    image = clean_image(written(quarters(), form, exif=exif))
    assert (image.width, image.height) == ((60, 80) if 5 <= orientation <= 8 else (80, 60))
    assert corners(opened(image)) == seen
    assert not opened(image).getexif(), "else it would be turned once more"


@pytest.mark.parametrize("form", MEDIA)
def test_where_when_and_with_what_a_photo_was_taken_is_gone(form: str) -> None:
    exif = Pillow.Exif()
    exif[0x010F], exif[0x0110], exif[0x013B] = "Pangolin Phones", "P-17", "نورة"
    exif.get_ifd(0x8825).update({1: "N", 2: (24.0, 42.0, 30.5), 3: "E", 4: (46.0, 40.0, 1.25)})
    exif.get_ifd(0x8769)[0x9286] = "a comment of the pangolin"
    options: dict[str, Any] = {"exif": exif, "icc_profile": b"pangolin profile" * 9}
    if form == "JPEG":
        options["comment"] = b"pangolin comment"
    if form == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Comment", "pangolin text")
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>pangolin</x:xmpmeta>")
    else:
        options["xmp"] = b"<x:xmpmeta>pangolin</x:xmpmeta>"
    sent = written(quarters(), form, **options)
    assert b"angolin" in sent, "the test sends what must not come out"
    image = clean_image(sent)
    assert b"angolin" not in image.content and b"Exif" not in image.content and b"EXIF" not in image.content
    kept = opened(image)
    assert not kept.getexif()
    assert set(kept.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "loop", "background", "timestamp", "duration"}  # fmt: skip


# -- odd but honest pictures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"])
def test_a_png_of_any_kind_of_pixel_is_kept(mode: str) -> None:
    picture = Pillow.new("I;16", (40, 30), 60_000) if mode == "I;16" else quarters(40, 30).convert(mode)
    image = clean_image(written(picture, "PNG"))
    assert (image.media_type, image.width, image.height) == ("image/png", 40, 30)
    assert opened(image).mode in ("RGB", "RGBA")


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_jpeg_of_any_kind_of_pixel_becomes_one_that_browsers_show(mode: str) -> None:
    image = clean_image(written(quarters(40, 30).convert(mode), "JPEG"))
    assert opened(image).mode == "RGB"
    if mode == "CMYK":
        assert corners(opened(image)) == [RED, GREEN, BLUE, WHITE]


def test_sixteen_bits_a_channel_keep_light_and_dark_apart() -> None:
    """A grey scan of 16 bits must not come out as one white sheet."""
    row = (5_000).to_bytes(2, "little") * 20 + (60_000).to_bytes(2, "little") * 20
    picture = Pillow.frombytes("I;16", (40, 30), row * 30)
    image = opened(clean_image(written(picture, "PNG"))).convert("L")
    dark, light = image.getpixel((5, 5)), image.getpixel((35, 5))
    assert isinstance(dark, int) and isinstance(light, int)
    assert dark < 60 and light > 180


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_what_was_transparent_stays_transparent(form: str) -> None:
    picture = quarters().convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 40, 30))
    kept = opened(clean_image(written(picture, form))).convert("RGBA")
    assert kept.getpixel((10, 10))[3] == 0 and kept.getpixel((70, 50))[3] == 255  # type: ignore[index]


def test_what_is_behind_transparency_is_seen_as_transparent_in_a_palette_too() -> None:
    picture = quarters().convert("P", palette=Pillow.Palette.ADAPTIVE)
    index = picture.getpixel((10, 10))
    kept = opened(clean_image(written(picture, "PNG", transparency=index))).convert("RGBA")
    assert kept.getpixel((10, 10))[3] == 0 and kept.getpixel((70, 50))[3] == 255  # type: ignore[index]


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_of_an_animation_the_first_picture_is_kept(form: str) -> None:
    frames = [Pillow.new("RGB", (30, 20), colour) for colour in (RED, GREEN, BLUE)]
    sent = written(frames[0], form, save_all=True, append_images=frames[1:], duration=50, loop=0)
    assert getattr(Pillow.open(io.BytesIO(sent)), "n_frames", 1) == 3
    kept = opened(clean_image(sent))
    assert getattr(kept, "n_frames", 1) == 1
    assert corners(kept) == [RED] * 4


def test_progressive_and_interlaced_pictures_are_taken() -> None:
    assert clean_image(written(quarters(), "JPEG", progressive=True)).media_type == "image/jpeg"
    assert clean_image(written(quarters(), "WEBP", lossless=True)).media_type == "image/webp"


# -- what is more than a picture ---------------------------------------------------------------------------------------


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        # With a fixed time: what a test is called must not depend on when it is collected.
        archive.writestr(zipfile.ZipInfo("pangolin.html", (2026, 1, 1, 0, 0, 0)), SECRET)
    return file.getvalue()


@pytest.mark.parametrize("form", MEDIA)
@pytest.mark.parametrize("tail", [SECRET, _zip(), b"%PDF-1.7 pangolin", b"\x00" * 1000 + SECRET], ids=ascii)
def test_whatever_hangs_behind_a_picture_is_gone(form: str, tail: bytes) -> None:
    image = clean_image(written(quarters(), form) + tail)
    assert b"pangolin" not in image.content and b"PK\x03\x04" not in image.content
    assert not zipfile.is_zipfile(io.BytesIO(image.content))


def test_script_within_the_picture_does_not_survive() -> None:
    jpeg = written(quarters(), "JPEG")
    comment = b"\xff\xfe" + struct.pack(">H", len(SECRET) + 2) + SECRET
    assert b"pangolin" not in clean_image(jpeg[:2] + comment + jpeg[2:]).content
    # And where pixels themselves spell it, in a picture that is not packed.
    spelled = Pillow.frombytes("RGB", (12, 1), (SECRET + b"  ")[:36].ljust(36))
    assert b"pangolin" not in clean_image(written(spelled, "PNG", compress_level=0)).content


# -- what is none ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"\x00" * 1000,
        b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
        b"<!doctype html><script>alert(1)</script>",
        b"GIF89a/*" + SECRET + b"*/",
        b"%PDF-1.7\n1 0 obj",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run",
        _zip(),
        b"\x7fELF" + b"\x00" * 100,
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + SECRET,
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + SECRET,
        b"RIFF\x10\x00\x00\x00WEBP",
        b"RIFF\xff\xff\xff\xffWEBPVP8 " + b"\xff" * 50,
        b"BM" + b"\x00" * 100,
        b"II*\x00" + b"\x00" * 100,
        b"P6 1 1 255 abc",
    ],
    ids=lambda content: ascii(content[:16]),
)
def test_what_is_no_jpeg_png_or_webp_is_refused(content: bytes) -> None:
    assert refusal(content) == "not_image"


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF", "ICO", "PPM", "TGA", "PCX", "JPEG2000", "PDF", "EPS"])
def test_a_real_picture_of_another_format_is_refused(form: str) -> None:
    try:
        content = written(quarters(), form)
    except OSError:
        pytest.fail(f"this Pillow writes no {form}")
    assert refusal(content) == "not_image"


@pytest.mark.parametrize("form", MEDIA)
def test_a_truncated_picture_is_refused(form: str) -> None:
    noisy = Pillow.frombytes("RGB", (64, 64), random.Random(1).randbytes(64 * 64 * 3))
    whole = written(noisy, form)
    for part in (0.02, 0.1, 0.5, 0.9):
        assert refusal(whole[: int(len(whole) * part)]) == "not_image"


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(list(MEDIA)), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=20))  # fmt: skip
def test_a_picture_with_broken_bytes_is_kept_or_refused_and_nothing_else(
    form: str, changes: list[tuple[float, int]]
) -> None:
    content = bytearray(_SAMPLES[form])
    for place, value in changes:
        content[int(place * len(content))] = value
    try:
        image = clean_image(bytes(content))
    except ImageRefused as refused:
        assert refused.code in ("not_image", "too_many_pixels")
    else:
        assert opened(image).size == (image.width, image.height)


_SAMPLES = {form: written(quarters(16, 12), form) for form in MEDIA}


# -- too much ----------------------------------------------------------------------------------------------------------


def test_more_than_ten_megabytes_are_refused_before_they_are_looked_at() -> None:
    started = time.perf_counter()
    assert refusal(b"\xff\xd8\xff" + b"\x00" * 2 * LARGEST) == "too_large"
    assert refusal(written(quarters(), "JPEG").ljust(LARGEST + 1, b"\x00")) == "too_large"
    assert time.perf_counter() - started < 5


def test_exactly_ten_megabytes_are_taken() -> None:
    assert clean_image(written(quarters(), "JPEG").ljust(LARGEST, b"\x00")).width == 80


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (30_000, 30_000),
        (2**31 - 1, 2**31 - 1),
        (MOST_PIXELS["PNG"] + 1, 1),
        (1, MOST_PIXELS["PNG"] + 1),
        (10_000, 2_001),
    ],
)
def test_a_picture_that_says_to_be_too_large_is_refused_at_once(width: int, height: int) -> None:
    started = time.perf_counter()
    assert refusal(png_of_size(width, height, zlib.compress(b"\x00" * 1_000_000))) == "too_many_pixels"
    assert time.perf_counter() - started < 3


def test_a_picture_of_no_size_is_refused() -> None:
    assert refusal(png_of_size(0, 0)) == "not_image"


def test_bombs_are_refused_or_decoded_within_600_megabytes_and_a_few_seconds() -> None:
    """In a process of its own, whose memory is limited: 30,000 x 30,000 as PNG, JPEG and WebP, and the largest allowed."""
    code = """
import io, resource, sys, time, zlib
from PIL import Image
from bot.errors import ImageRefused
from bot.files.images import clean_image
from tests.unit.test_images import png_of_size
def sent(form, size, **options):
    file = io.BytesIO(); Image.new("RGB", size, (9, 9, 9)).save(file, form, **options); return file.getvalue()
rows = zlib.compressobj(9)
bomb = b"".join(rows.compress(b"\\0" * 90_001) for _ in range(30_000)) + rows.flush()
files = {"png bomb": png_of_size(30_000, 30_000, bomb), "honest png": sent("PNG", (5000, 4000)),
         "honest jpeg": sent("JPEG", (8000, 5000)), "progressive": sent("JPEG", (8000, 5000), progressive=True),
         "honest webp": sent("WEBP", (5000, 4000))}
del rows, bomb
import gc; gc.collect()
def high():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
base = high()
for name, content in files.items():
    started = time.perf_counter()
    try:
        clean_image(content); how = "kept"
    except ImageRefused as refused:
        how = refused.code
    print(name, how, round(time.perf_counter() - started, 2), round(high() - base), len(content), sep=":")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [line.split(":") for line in done.stdout.splitlines()]
    print(found)
    assert [how for _, how, *_ in found] == ["too_many_pixels", "kept", "kept", "kept", "kept"]
    assert float(found[0][2]) < 0.5 and int(found[0][3]) < 20
    for name, _, seconds, megabytes, _ in found[1:]:
        assert float(seconds) < 10, name
        assert int(megabytes) < 600, name


def test_compressed_text_that_unpacks_to_gigabytes_takes_no_memory() -> None:
    """A PNG may carry compressed text and a compressed colour profile; a megabyte of it unpacks to one thousand."""
    packed = zlib.compress(b"\x00" * 500_000_000, 9)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    plain = written(quarters(), "PNG")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for evil in (chunk(b"zTXt", b"x\x00\x00" + packed), chunk(b"iCCP", b"x\x00\x00" + packed)):
        try:
            image = clean_image(plain[:33] + evil + plain[33:])
        except ImageRefused as refused:
            assert refused.code == "not_image"
        else:
            assert image.width == 80 and len(image.content) < 10_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, "kilobytes"
