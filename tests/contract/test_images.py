"""Ingestion, training and the served model accept the same images, and see the same pixels."""

from __future__ import annotations

import io
import random
import re
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.artifacts import Batches
from components.data.images import ImageError, image_header, image_problem, pixels
from components.data.lazy import pa
from components.data.shards import ShardWriter
from components.errors import RootstockError
from components.ingestion.readers.base import BadRecord
from components.ingestion.readers.image_folder import ImageFolderReader
from components.transform.batches import load_columns
from components.transform.transform import transform_shard
from models.inputs.image import MAX_PIXELS, ImageFeature
from models.inputs.layers.preprocessing import Preprocessing
from models.lazy import tf

WIDTH, HEIGHT = 19, 14
COLUMNS, ROWS = np.meshgrid(np.linspace(0, 255, WIDTH), np.linspace(0, 255, HEIGHT))
COLOURS = Image.fromarray(np.stack([COLUMNS, ROWS, (COLUMNS + ROWS) / 2], -1).astype(np.uint8))
GREY, RED = COLOURS.convert("L"), COLOURS.getchannel(0)
PALETTE = COLOURS.convert("P", palette=Image.Palette.ADAPTIVE)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def turned(orientation: int, format: str = "JPEG", big_endian: bool = False) -> bytes:
    exif = Image.Exif()
    exif.endian = ">" if big_endian else "<"
    exif[0x0112] = orientation
    return encoded(COLOURS, format, exif=exif)


def png_of(width: int, height: int, grey_rows: int = 0) -> bytes:
    """A PNG that says it has this size, with some rows of zeros."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * grey_rows), 9)
    chunks = chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def gif_of(frames: int, comments: int = 0, canvas: tuple[int, int] | None = None) -> bytes:
    more = [COLOURS.rotate(90 * i) for i in range(1, frames)]
    gif = encoded(COLOURS, "GIF", save_all=True, append_images=more)
    start = 13 + (3 << (gif[10] & 7) + 1)
    gif = gif[:start] + b"\x21\xfe\x01c\0" * comments + gif[start:]
    return gif if canvas is None else gif[:6] + struct.pack("<HH", *canvas) + gif[10:]


GOOD = {
    "png": encoded(COLOURS, "PNG"),
    "png_grey": encoded(GREY, "PNG"),
    "png_16_bits": encoded(Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257), "PNG"),
    "png_1_bit": encoded(COLOURS.convert("1"), "PNG"),
    "png_palette": encoded(PALETTE, "PNG"),
    "png_palette_transparent": encoded(PALETTE, "PNG", transparency=0),
    "png_alpha": encoded(Image.merge("RGBA", (*COLOURS.split(), RED)), "PNG"),
    "png_grey_alpha": encoded(Image.merge("LA", (GREY, RED)), "PNG"),
    **{f"png_exif_{o}": turned(o, "PNG") for o in (1, 6, 7)},
    **{f"jpeg_exif_{o}": turned(o) for o in range(10)},
    "jpeg_exif_big_endian": turned(6, big_endian=True),
    "jpeg": encoded(COLOURS, "JPEG"),
    "jpeg_grey": encoded(GREY, "JPEG"),
    "jpeg_cmyk": encoded(COLOURS.convert("CMYK"), "JPEG"),
    "jpeg_progressive": encoded(COLOURS, "JPEG", progressive=True),
    "jpeg_of_several": encoded(COLOURS, "MPO", save_all=True, append_images=[COLOURS]),
    "gif": gif_of(1),
    "gif_frames": gif_of(5),
    "gif_comments": gif_of(1, comments=60),
    "gif_of_many_blocks": encoded(COLOURS, "GIF", comment=b"x" * 9000),
    "bmp": encoded(COLOURS, "BMP"),
    "bmp_grey": encoded(GREY, "BMP"),
    "bmp_palette": encoded(PALETTE, "BMP"),
    "bmp_alpha": encoded(Image.merge("RGBA", (*COLOURS.split(), RED)), "BMP"),
}
BAD = {
    "empty": (b"", "is empty"),
    "text": (b"hello, I am a text", "is not a JPEG"),
    "webp": (encoded(COLOURS, "WEBP"), "is not a JPEG"),
    "tiff": (encoded(COLOURS, "TIFF"), "is not a JPEG"),
    "bmp_1_bit": (encoded(COLOURS.convert("1"), "BMP"), "is a BMP of 1 bits and compression 0"),
    "png_400_megapixels": (png_of(20_000, 20_000, 20_000), "has 20000 x 20000 pixels. Expected"),
    "png_overflow": (png_of(2**32 - 1, 2**32 - 1), "has 4294967295 x 4294967295 pixels"),
    "png_just_too_large": (png_of(MAX_PIXELS // 8 + 1, 8), "pixels. Expected at most 67108864"),
    "png_no_width": (png_of(0, 5), "is cut or damaged"),
    "gif_canvas": (gif_of(1, canvas=(60_000, 60_000)), "has 60000 x 60000 pixels"),
    "gif_comments_without_end": (gif_of(1, comments=70), "is cut or damaged"),
    "gif_cut": (gif_of(1)[:-30], "is cut or damaged"),
    "jpeg_huge": (
        GOOD["jpeg"].replace(struct.pack(">HH", HEIGHT, WIDTH), b"\xea\x60\xea\x60", 1),
        "has 60000 x 60000 pixels",
    ),
    "jpeg_cut": (GOOD["jpeg"][:-60], "nvalid JPEG|is cut or damaged"),
    "png_cut": (GOOD["png"][:-20], "nvalid PNG|is cut or damaged"),
    "bmp_cut": (GOOD["bmp"][:-20], "nput size should match|is cut or damaged"),
}


def feature(width: int, height: int, channels: int, optional: bool = False) -> ImageFeature:
    return ImageFeature(
        name="i", column="i", width=width, height=height, channels=channels, optional=optional
    )


Served = Callable[[bytes], np.ndarray]


def served(feature: ImageFeature, directory: Path) -> Served:
    """The preprocessing as it is in every exported model."""
    preprocessing = Preprocessing((feature,))
    spec = {"i": tf.TensorSpec([None], tf.string, "i")}
    module = tf.Module()
    module.preprocessing = preprocessing
    module.serve = tf.function(preprocessing).get_concrete_function(spec)
    tf.saved_model.save(module, str(directory), signatures=module.serve)
    function = tf.saved_model.load(str(directory)).signatures["serving_default"]
    return lambda image: function(i=tf.constant([image]))["i"].numpy()[0]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Served:
    function = served(feature(4, 4, 3), tmp_path_factory.mktemp("small"))
    function(GOOD["png"])  # the first call is slow
    return function


def trained_on(images: list[bytes], feature: ImageFeature, directory: Path) -> np.ndarray:
    """As Transform hands them to the Trainer."""
    source = directory / "part-0.parquet"
    schema = pa.schema([("i", pa.binary())])
    writer = ShardWriter(source, schema)
    writer.write(pa.RecordBatch.from_arrays([pa.array(images)], schema=schema))
    writer.close()
    (directory / "train").mkdir()
    target = directory / "train" / "part-0.arrow"
    transform_shard(0, ("train", source, target), features=(feature,))
    return load_columns(Batches(directory), "train", (feature,))["i"]


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (HEIGHT, WIDTH)])
def test_all_see_the_same_pixels(size: tuple[int, int], channels: int, tmp_path: Path) -> None:
    of_size = {name: image for name, image in GOOD.items() if image_header(image).size == size}
    assert of_size
    same_size = feature(*size, channels)
    serve = served(same_size, tmp_path / "model")
    trained = trained_on(list(of_size.values()), same_size, tmp_path)
    for (name, image), row in zip(of_size.items(), trained, strict=True):
        assert image_problem(image) == "", name
        np.testing.assert_array_equal(serve(image), row, name)
        seen = np.asarray(pixels(image, grey=channels == 1)).reshape(row.shape)
        difference = np.abs(row.astype(int) - seen).max()
        assert difference <= (1 if channels == 1 else 0), name  # two roundings of a weighted sum


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_stand_upright(orientation: int) -> None:
    """As Pillow understands the standard."""
    from PIL import ImageOps

    image = turned(orientation, "PNG")
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(image)))
    np.testing.assert_array_equal(pixels(image), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_all_refuse_the_same_images(name: str, small: Served, tmp_path: Path) -> None:
    image, problem = BAD[name]
    assert re.search(problem, image_problem(image))
    start = time.perf_counter()
    with pytest.raises(tf.errors.InvalidArgumentError, match=problem):
        small(image)
    assert time.perf_counter() - start < 1
    with pytest.raises(RootstockError, match=rf"examples, train, shard part-0, row 0.*{problem}"):
        trained_on([image], feature(4, 4, 3), tmp_path)


def test_the_reader_of_folders_refuses_them(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name, content in GOOD.items():
        (tmp_path / "a" / f"{name}.png").write_bytes(content)
    for name, (content, _) in BAD.items():
        (tmp_path / "a" / f"bad_{name}.png").write_bytes(content)
    reader = ImageFolderReader(path=str(tmp_path))
    items = [i for u in reader.units(tmp_path) for i in reader.read(u, reader.schema(tmp_path))]
    bad = {Path(i.file).stem.removeprefix("bad_") for i in items if isinstance(i, BadRecord)}
    assert bad == set(BAD)
    assert sum(i.num_rows for i in items if not isinstance(i, BadRecord)) == len(GOOD)


@pytest.mark.slow
def test_a_message_names_the_input_and_the_row(small: Served) -> None:
    apply = tf.function(Preprocessing((feature(4, 4, 3),)).__call__)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"inputs\.i: .*\(row 1 of"):
        apply({"i": tf.constant([GOOD["png"], b"nonsense"])})


@pytest.mark.slow
def test_a_missing_image_is_black_only_if_some_were_missing_in_training(tmp_path: Path) -> None:
    image = served(feature(4, 4, 3, optional=True), tmp_path)(b"")
    np.testing.assert_array_equal(image, np.zeros((4, 4, 3)))


def test_only_the_first_frame_of_a_gif_is_decoded(small: Served) -> None:
    """TensorFlow's decoder took 11 s for these 1.8 MB."""
    gif = encoded(Image.new("L", (1000, 1000)), "GIF")
    start = 13 + (3 << (gif[10] & 7) + 1)
    gif = gif[:start] + gif[start:-1] * 1000 + b";"
    start = time.perf_counter()
    small(gif)
    assert time.perf_counter() - start < 1


def damaged() -> Iterator[tuple[str, bytes]]:
    """Cuts at 60 places and in the last 12 bytes, and 150 flipped bits, of images of each kind."""
    draws = random.Random(0)
    kinds = "png png_16_bits png_palette png_exif_6 gif gif_frames bmp bmp_palette"
    for name in f"{kinds} jpeg_exif_6 jpeg_grey jpeg_progressive jpeg_cmyk".split():
        image = GOOD[name]
        size = len(image)
        for stop in {*range(1, size, max(1, size // 60)), *range(size - 12, size)}:
            yield name, image[:stop]
        for _ in range(150):
            place = draws.randrange(size)
            flipped = image[place] ^ 1 << draws.randrange(8)
            yield name, image[:place] + bytes([flipped]) + image[place + 1 :]


@pytest.mark.slow
def test_what_ingestion_accepts_is_never_refused_later(small: Served) -> None:
    """The other way round, giflib repairs some frames, and libjpeg a missing last byte: of 2,715
    damaged images, ingestion refuses 4 that the model would decode.
    """
    tried, later, only_here = 0, [], []
    for name, image in damaged():
        tried, accepted = tried + 1, not image_problem(image)
        try:
            small(image)
        except tf.errors.InvalidArgumentError:
            if accepted:
                later.append(name)
        else:
            if not accepted:
                only_here.append(name)
    assert later == []
    assert tried == 2715
    assert sorted(only_here) == ["gif", "gif", "gif", "jpeg_grey"]


def test_an_orientation_that_makes_no_sense_is_none() -> None:
    for orientation in (0, 9):
        assert image_header(turned(orientation)).orientation == 1
    exif = turned(6)
    at = exif.index(b"Exif\0\0")
    assert image_header(exif[: at + 6] + b"XX" + exif[at + 8 :]).orientation == 1
    with pytest.raises(ImageError, match="is empty"):
        image_header(b"")
