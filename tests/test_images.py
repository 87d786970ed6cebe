"""Decoding, against pictures whose pixels are known and OpenCV's own numbers."""

import contextlib
import io
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from zoo.errors import ImageError
from zoo.images import convert_image, read_image


def encoded(image, format="PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


@pytest.fixture(scope="module")
def colours() -> np.ndarray:
    """RGB, uint8, of shape (5, 7, 3): small, odd, and without symmetry."""
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    """A smooth picture of 60 x 40, such as encoders expect."""
    down, right = np.mgrid[0:40, 0:60]
    return Image.fromarray(np.stack([down * 6, right * 4, down + right], -1).astype(np.uint8))


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_files_give_their_pixels_in_bgr(colours, format):
    pixels = read_image(encoded(Image.fromarray(colours), format))
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    np.testing.assert_array_equal(pixels, colours[..., ::-1])


def test_webp_and_gif_are_read(colours):
    picture = Image.fromarray(colours)
    lossless = read_image(encoded(picture, "WEBP", lossless=True))
    np.testing.assert_array_equal(lossless, colours[..., ::-1])
    palette = picture.quantize(64)  # more colours than pixels: nothing is lost
    first = np.asarray(palette.convert("RGB"))[..., ::-1]
    animated = encoded(palette, "GIF", save_all=True, append_images=[palette.rotate(180)])
    np.testing.assert_array_equal(read_image(animated), first)


def test_path_string_and_bytes_give_the_same(colours, tmp_path):
    data = encoded(Image.fromarray(colours))
    path = tmp_path / "picture.jpg"  # the content counts, not the name
    path.write_bytes(data)
    for source in (path, str(path)):
        np.testing.assert_array_equal(read_image(source), read_image(data))


def test_grey_becomes_three_equal_channels(colours):
    grey = colours[..., 0]
    for data in (encoded(Image.fromarray(grey)), encoded(Image.fromarray(grey), "TIFF")):
        np.testing.assert_array_equal(read_image(data), np.repeat(grey[..., None], 3, 2))
        np.testing.assert_array_equal(read_image(data, gray=True), grey)


def test_a_turned_grey_picture_is_an_ordinary_array():
    exif = Image.Exif()
    exif[0x0112] = 6
    grey = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    pixels = read_image(encoded(grey, exif=exif), gray=True)
    assert pixels.tolist() == [[3, 0], [4, 1], [5, 2]]
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable


def test_grey_of_a_jpeg_is_its_own_luma():
    data = encoded(Image.new("YCbCr", (16, 16), (200, 255, 255)), "JPEG", quality=100)
    assert read_image(data, gray=True)[8, 8] == 200  # as colours, red and blue would be cut off


def test_one_bit_becomes_black_and_white():
    bits = np.array([[True, False, True]])
    assert read_image(encoded(Image.fromarray(bits)), gray=True).tolist() == [[255, 0, 255]]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_dropped_and_not_blended(colours, mode):
    alpha = Image.fromarray(np.arange(35, dtype=np.uint8).reshape(5, 7) * 7)
    picture = Image.fromarray(colours).convert(mode[:-1])
    expected = np.asarray(picture.convert("RGB"))[..., ::-1]
    picture.putalpha(alpha)
    np.testing.assert_array_equal(read_image(encoded(picture)), expected)


@pytest.mark.parametrize("transparency", [None, 3, bytes(range(64))])
def test_palette_colours_are_looked_up_whatever_is_transparent(colours, transparency):
    picture = Image.fromarray(colours).quantize(64)
    options = {} if transparency is None else {"transparency": transparency}
    expected = np.asarray(picture.convert("RGB"))[..., ::-1]
    np.testing.assert_array_equal(read_image(encoded(picture, **options)), expected)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_of_grey_keep_the_high_byte(format):
    values = np.array([[0, 255, 256, 32767, 65535, 0x12FF]], np.uint16)
    pixels = read_image(encoded(Image.fromarray(values), format), gray=True)
    np.testing.assert_array_equal(pixels, values >> 8)


def test_sixteen_bits_of_colour_keep_the_high_byte():
    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    values = np.array([[[0x01FF, 0x8000, 0xFFFF], [0x00FF, 0x7FFF, 0x1234]]], ">u2")
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" + values.tobytes())
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    pixels = read_image(b"\x89PNG\r\n\x1a\n" + parts)
    assert pixels.tolist() == [[[0xFF, 0x80, 0x01], [0x12, 0x7F, 0x00]]]


def test_cmyk_jpeg_follows_opencv():
    cmyk = Image.new("CMYK", (16, 16), (40, 90, 150, 60))
    # What cv2.imread gives for this file.
    assert read_image(encoded(cmyk, "JPEG", quality=100))[8, 8].tolist() == [81, 127, 165]


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_tag_is_honoured(colours, orientation, format):
    turned = {
        1: colours,
        2: colours[:, ::-1],
        3: colours[::-1, ::-1],
        4: colours[::-1],
        5: colours.transpose(1, 0, 2),
        6: np.rot90(colours, -1),
        7: colours[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(colours),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    picture = Image.fromarray(colours)
    pixels = read_image(encoded(picture, format, exif=exif, **options))
    np.testing.assert_array_equal(pixels, turned[..., ::-1])
    assert pixels.flags.c_contiguous


def test_big_endian_and_damaged_orientation_tags(photograph):
    upright = read_image(encoded(photograph, "JPEG"))
    entry = struct.pack(">2sHIHHHIHH", b"MM", 42, 8, 1, 0x0112, 3, 1, 3, 0)
    for exif, expected in [
        (entry, upright[::-1, ::-1]),
        (entry[:-6], upright),  # cut off before the value
        (entry[:4] + b"\xff" * 4 + entry[8:], upright),  # points behind the end
        (b"neither order", upright),
    ]:
        data = encoded(photograph, "JPEG", exif=b"Exif\0\0" + exif)
        np.testing.assert_array_equal(read_image(data), expected)


def test_a_pillow_image_gives_what_its_file_gives(photograph):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(photograph, "JPEG", exif=exif)
    image = Image.open(io.BytesIO(data))
    np.testing.assert_array_equal(convert_image(image), read_image(data))
    np.testing.assert_array_equal(
        convert_image(Image.fromarray(np.array([[7]], np.uint8)), gray=True), [[7]]
    )


def test_empty_file_is_refused_by_name(tmp_path):
    path = tmp_path / "empty.jpg"
    path.touch()
    with pytest.raises(ImageError, match=r"empty\.jpg: the file is empty \(0 bytes\)"):
        read_image(path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"just words", "not a picture in a known format"),
        (b"\n<!DOCTYPE html><title>Sign in</title>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_likely_cause(tmp_path, data, words):
    path = tmp_path / "cat.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=rf"cat\.jpg: .*{words}"):
        read_image(path)


def test_formats_that_would_start_another_program_are_refused(photograph):
    with pytest.raises(ImageError, match="not a picture in a known format"):
        read_image(encoded(photograph, "EPS"))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
def test_a_file_cut_short_anywhere_is_refused_not_shown_in_part(photograph, format):
    data = encoded(photograph, format)
    whole = read_image(data)
    for length in range(1, len(data), max(1, len(data) // 60)):
        try:
            pixels = read_image(data[:length])
        except ImageError:
            continue
        np.testing.assert_array_equal(pixels, whole)  # only what follows the last pixel is missing
    with pytest.raises(ImageError, match="damaged or cut short"):
        read_image(data[: len(data) * 2 // 3])


def test_missing_files_and_folders_are_refused_by_name(tmp_path):
    with pytest.raises(ImageError, match=r"absent\.png: cannot be opened.*No such file"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(ImageError, match="cannot be opened.*directory"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="cannot be opened"):
        read_image("nul\0byte.png")


def test_a_decompression_bomb_is_refused_without_unpacking(monkeypatch, photograph):
    data = encoded(photograph)  # 2400 pixels
    for limit in (2000, 1000):  # where Pillow warns, and where it raises
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ImageError, match="too large.*MAX_IMAGE_PIXELS"):
            read_image(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert read_image(data).shape == (40, 60, 3)


@pytest.mark.parametrize(("mode", "words"), [("F", "floating"), ("I", "integers")])
def test_pixels_without_a_range_are_refused(mode, words):
    with pytest.raises(ImageError, match=f"bytes in memory: .*32-bit {words}"):
        read_image(encoded(Image.new(mode, (3, 3)), "TIFF"))
    with pytest.raises(ImageError, match=f"32-bit {words}"):
        convert_image(Image.new(mode, (3, 3)))


def test_a_pillow_image_that_cannot_be_decoded_is_an_image_error(photograph):
    data = encoded(photograph)
    with pytest.raises(ImageError, match="cannot be decoded"):
        convert_image(Image.open(io.BytesIO(data[: len(data) // 2])))


def test_no_warning_leaks(photograph):
    tiff = bytearray(encoded(photograph, "TIFF", software="x" * 40))
    tags = struct.unpack_from("<I", tiff, 4)[0]
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for place in range(tags + 2, len(tiff) - 12, 12):  # each tag pointing outside the file
            damaged = tiff.copy()
            damaged[place + 4 : place + 12] = b"\xff\xff\x00\x00\xff\xff\xff\x00"
            with contextlib.suppress(ImageError):
                read_image(bytes(damaged))
        read_image(encoded(photograph.quantize(16), transparency=bytes(16)))
    assert [str(warning.message) for warning in heard] == []


def test_opencv_decodes_the_same_bytes(photograph, tmp_path):
    import cv2

    path = tmp_path / "picture.jpg"
    photograph.save(path, quality=70)
    colour, grey = cv2.imread(str(path)), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(read_image(path), colour)
    np.testing.assert_array_equal(read_image(path, gray=True), grey)


def test_opencv_makes_the_same_grey_of_a_coloured_png(photograph, tmp_path):
    import cv2

    path = tmp_path / "picture.png"
    for image in (photograph, photograph.convert("RGBA"), photograph.quantize(200)):
        image.save(path)
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        np.testing.assert_array_equal(read_image(path, gray=True), grey)


def test_decoding_needs_neither_opencv_nor_tensorflow():
    script = "import sys, zoo.preprocess; print({'cv2', 'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
