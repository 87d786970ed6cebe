"""Caffe's databases and lists read as Caffe reads them."""

import io
import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image

from zoo.caffe.schema.caffe_pb2 import Datum, LayerParameter
from zoo.errors import NetError, ParseError, UsageError
from zoo.transfer.databases import open_source
from zoo.transfer.databases.datum import datum_values
from zoo.transfer.databases.leveldb import LevelDB
from zoo.transfer.databases.leveldb_table import log_records
from zoo.transfer.databases.lmdb_file import LMDBFile

DATABASES = [
    *("lmdb_raw", "lmdb_jpeg", "lmdb_gray", "lmdb_png", "lmdb_grayjpeg", "lmdb_float"),
    *("leveldb_raw", "leveldb_jpeg", "leveldb_gray", "leveldb_png", "leveldb_float"),
]


def layer(text, kind="Data"):
    return text_format.Parse(
        f'name: "data" type: "{kind}" top: "data" top: "label" {text}', LayerParameter()
    )


def data_layer(source, batch_size, more="", backend="LMDB"):
    return layer(
        f'data_param {{ source: "{source}" batch_size: {batch_size} backend: {backend} }} {more}'
    )


def take(batches, count):
    return list(itertools.islice(batches, count))


@pytest.fixture
def lmdb(tmp_path):
    """Writes an LMDB of datums."""

    def write(datums, name="made_lmdb"):
        import lmdb

        with (
            lmdb.open(str(tmp_path / name), map_size=1 << 24) as environment,
            environment.begin(write=True) as transaction,
        ):
            for index, datum in enumerate(datums):
                transaction.put(f"{index:08}".encode(), datum.SerializeToString())
        return tmp_path / name

    return write


def counted(count, shape=(1, 2, 3)):
    return [
        Datum(channels=shape[0], height=shape[1], width=shape[2], label=index,
              data=bytes([index]) * int(np.prod(shape)))
        for index in range(count)
    ]  # fmt: skip


def png(pixels, mode=None):
    stream = io.BytesIO()
    Image.fromarray(pixels, mode).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("name", DATABASES)
def test_a_database_gives_what_caffe_read_from_it(shared, name):
    folder = shared / "golden" / "formats"
    backend = name.split("_")[0].upper()
    (batch,) = take(open_source(data_layer(name, 20, backend=backend), folder, "TEST"), 1)
    expected = np.load(folder / "expected" / f"{name}.npz")
    np.testing.assert_array_equal(batch["label"], expected["label"])
    assert batch["data"].dtype == np.float32
    tolerance = 2 if name.endswith("jpeg") else 0
    np.testing.assert_allclose(batch["data"], expected["data"], rtol=0, atol=tolerance)


def test_encoded_pictures_of_different_sizes_come_one_a_batch(shared):
    folder = shared / "golden" / "formats"
    expected = np.load(folder / "expected" / "lmdb_jpegfiles.npz")
    batches = take(open_source(data_layer("lmdb_jpegfiles", 1), folder, "TEST"), 6)
    for index, batch in enumerate(batches):
        np.testing.assert_allclose(
            batch["data"].squeeze(), expected[f"data{index}"].squeeze(), rtol=0, atol=2
        )


def test_pictures_of_different_sizes_in_one_batch_are_named(shared):
    source = open_source(data_layer("lmdb_jpegfiles", 3), shared / "golden" / "formats", "TEST")
    with pytest.raises(UsageError, match=r"j01\.jpg.* has the shape .* crop_size"):
        next(source)


def test_keys_are_those_that_caffe_wrote(shared):
    folder = shared / "golden" / "formats"
    index = json.loads((folder / "index.json").read_text())["databases"]
    for name, entry in index.items():
        kind = LMDBFile if entry["backend"] == "lmdb" else LevelDB
        database = kind(folder / name)
        keys = [key.decode() for key, _ in database.items()]
        assert len(database) == len(keys) == entry["datums"]
        assert [keys[0], keys[-1]] == [
            entry.get("first_key", keys[0]), entry.get("last_key", keys[-1])
        ]  # fmt: skip


def test_a_leveldb_is_not_written_to(shared, tmp_path):
    copy = tmp_path / "db"
    shutil.copytree(shared / "golden" / "formats" / "leveldb_raw", copy)
    before = {path.name: path.stat().st_mtime_ns for path in copy.iterdir()}
    assert len(LevelDB(copy)) == 20
    assert {path.name: path.stat().st_mtime_ns for path in copy.iterdir()} == before


def test_rows_are_found_by_key(shared):
    for name, kind in (("lmdb_raw", LMDBFile), ("leveldb_raw", LevelDB)):
        database = kind(shared / "golden" / "formats" / name)
        for key, value in database.items():
            assert database.get(key) == value
        with pytest.raises(UsageError, match="no key b'none'"):
            database.get(b"none")


def test_the_first_row_follows_the_last_within_a_batch(lmdb, tmp_path):
    lmdb(counted(5))
    batches = take(open_source(data_layer("made_lmdb", 3), tmp_path, "TRAIN"), 4)
    labels = np.concatenate([batch["label"] for batch in batches]).astype(int).tolist()
    assert labels == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert batches[1]["data"][:, 0, 0, 0].tolist() == [3, 4, 0]


@pytest.mark.parametrize("random", ["", "transform_param { mirror: true crop_size: 2 }"])
def test_a_run_is_taken_up_where_it_was_left(lmdb, tmp_path, random):
    rng = np.random.default_rng(0)
    lmdb([
        Datum(channels=1, height=4, width=5, label=index, data=rng.bytes(20)) for index in range(5)
    ])  # fmt: skip
    definition = data_layer("made_lmdb", 3, random)
    whole = take(open_source(definition, tmp_path, "TRAIN", seed=4), 9)
    rest = take(open_source(definition, tmp_path, "TRAIN", seed=4, start=4), 5)
    for expected, batch in zip(whole[4:], rest, strict=True):
        np.testing.assert_array_equal(batch["label"], expected["label"])
        np.testing.assert_array_equal(batch["data"], expected["data"])


def test_two_layers_read_the_same_lmdb(lmdb, tmp_path):
    lmdb(counted(4))
    first, second = (open_source(data_layer("made_lmdb", 2), tmp_path, "TEST") for _ in "ab")
    next(first)
    assert next(second)["label"].tolist() == [0, 1]
    assert next(first)["label"].tolist() == [2, 3]


def test_without_a_second_top_there_are_no_labels(lmdb, tmp_path):
    lmdb(counted(2))
    definition = data_layer("made_lmdb", 2)
    del definition.top[1]
    assert set(next(open_source(definition, tmp_path, "TEST"))) == {"data"}


def test_an_encoded_picture_with_alpha_has_four_channels_unless_colour_is_forced():
    rgba = np.arange(8, dtype=np.uint8).reshape(1, 2, 4)
    datum = Datum(encoded=True, data=png(rgba), label=1)
    assert datum_values(datum, "row")[:, 0, 0].tolist() == [2, 1, 0, 3]
    assert datum_values(datum, "row", force_color=True).shape == (3, 1, 2)
    assert datum_values(datum, "row", force_gray=True).shape == (1, 1, 2)


def test_an_encoded_grey_picture_with_a_transparent_grey_stays_one_channel():
    stream = io.BytesIO()
    Image.new("L", (2, 1), 7).save(stream, "PNG", transparency=7)
    assert datum_values(Datum(encoded=True, data=stream.getvalue()), "row").tolist() == [[[7, 7]]]


def test_an_encoded_picture_is_turned_only_where_colour_is_forced():
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (16, 8)).save(stream, "JPEG", exif=exif)
    datum = Datum(encoded=True, data=stream.getvalue())
    assert datum_values(datum, "row").shape == (3, 8, 16)
    assert datum_values(datum, "row", force_color=True).shape == (3, 16, 8)


@pytest.mark.parametrize(
    ("datum", "told"),
    [
        (Datum(channels=1, height=2, width=2, data=b"abc"), "3 values for a shape of"),
        (Datum(encoded=True, data=b"no picture"), "not a picture"),
        (Datum(encoded=True, data=png(np.zeros((2, 2), np.uint16))), "16 bits"),
        (Datum(encoded=True, data=png(np.zeros((99, 99), np.uint8))[:60]), "damaged or cut short"),
    ],
)
def test_a_damaged_row_is_named(lmdb, tmp_path, datum, told):
    lmdb([datum])
    with pytest.raises(UsageError, match=rf"key '00000000': .*{told}"):
        next(open_source(data_layer("made_lmdb", 1), tmp_path, "TEST"))


def test_the_other_backend_is_suggested(shared, lmdb, tmp_path):
    lmdb(counted(1))
    with pytest.raises(UsageError, match="write `backend: LMDB`"):
        open_source(data_layer("made_lmdb", 1, backend="LEVELDB"), tmp_path, "TEST")
    folder = shared / "golden" / "formats"
    with pytest.raises(UsageError, match="write `backend: LEVELDB`"):
        open_source(data_layer("leveldb_raw", 1), folder, "TEST")


def test_a_missing_or_broken_or_empty_lmdb_is_told(lmdb, tmp_path):
    with pytest.raises(UsageError, match="there is no such file"):
        open_source(data_layer("none", 1), tmp_path, "TEST")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "data.mdb").write_bytes(b"no database" * 1000)
    with pytest.raises(UsageError, match="cannot be read as LMDB"):
        open_source(data_layer("broken", 1), tmp_path, "TEST")
    whole = lmdb(counted(200, (3, 20, 20)), "cut") / "data.mdb"
    with whole.open("r+b") as file:
        file.truncate(20000)
    with pytest.raises(UsageError, match="cut short, 20000 bytes of"):
        open_source(data_layer("cut", 1), tmp_path, "TEST")
    lmdb([], "empty")
    with pytest.raises(UsageError, match="is an empty database"):
        open_source(data_layer("empty", 1), tmp_path, "TEST")


@pytest.fixture
def leveldb_copy(shared, tmp_path):
    copy = tmp_path / "db"
    shutil.copytree(shared / "golden" / "formats" / "leveldb_raw", copy)
    for path in copy.iterdir():
        path.chmod(0o644)
    return copy


def test_a_damaged_leveldb_is_named(leveldb_copy):
    table = next(leveldb_copy.glob("*.ldb"))
    content = table.read_bytes()
    table.write_bytes(content[:-1])
    with pytest.raises(ParseError, match="cut short"):
        LevelDB(leveldb_copy)
    table.write_bytes(b"\xff" * 300 + content[300:])
    with pytest.raises(ParseError, match="damaged at byte 0"):
        list(LevelDB(leveldb_copy).items())
    table.unlink()
    with pytest.raises(ParseError, match="not complete"):
        LevelDB(leveldb_copy)
    (leveldb_copy / "CURRENT").unlink()
    with pytest.raises(UsageError, match="cannot be read as LevelDB"):
        LevelDB(leveldb_copy)


def test_no_mutation_of_a_leveldb_ends_in_another_error(leveldb_copy):
    rng = np.random.default_rng(0)
    for path in [next(leveldb_copy.glob("*.ldb")), next(leveldb_copy.glob("MANIFEST*"))]:
        content = path.read_bytes()
        for _ in range(60):
            changed = bytearray(content)
            for at in rng.integers(len(content), size=3):
                changed[at] = rng.integers(256)
            path.write_bytes(
                changed[: rng.integers(1, len(content))] if rng.integers(2) else changed
            )
            try:
                list(LevelDB(leveldb_copy).items())
            except UsageError:
                continue
        path.write_bytes(content)


def log_block(*batches):
    """A LevelDB log as its format describes it; checksums are left at zero."""
    out = bytearray()
    for batch in batches:
        first = True
        while first or batch:
            left = 32768 - len(out) % 32768
            if left < 7:
                out += bytes(left)
                continue
            part, batch = batch[: left - 7], batch[left - 7 :]
            kind = (1 if not batch else 2) if first else (4 if not batch else 3)
            out += bytes(4) + len(part).to_bytes(2, "little") + bytes([kind]) + part
            first = False
    return bytes(out)


def write_batch(sequence, *writes):
    out = sequence.to_bytes(8, "little") + len(writes).to_bytes(4, "little")
    for key, value in writes:
        out += bytes([value is not None]) + bytes([len(key)]) + key
        if value is not None:
            size = len(value)
            out += bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + value
    return out


def test_later_writes_in_the_log_count_more_than_the_table(leveldb_copy):
    before = [key for key, _ in LevelDB(leveldb_copy).items()]
    long = bytes(range(256)) * 300
    (leveldb_copy / "000006.log").write_bytes(
        log_block(
            write_batch(1000, (before[0], b"first"), (b"zzz", long)),
            write_batch(1002, (before[0], b"second"), (before[1], None)),
        )
    )
    database = LevelDB(leveldb_copy)
    rows = dict(database.items())
    assert list(rows) == [before[0], *before[2:], b"zzz"]
    assert rows[before[0]] == database.get(before[0]) == b"second"
    assert rows[b"zzz"] == long
    with pytest.raises(UsageError, match="no key"):
        database.get(before[1])


def test_a_record_that_was_never_finished_is_left_out(tmp_path):
    path = tmp_path / "000001.log"
    path.write_bytes(log_block(b"whole", b"x" * 40000)[:-5])
    assert list(log_records(path)) == [b"whole"]


@pytest.fixture
def listed(tmp_path):
    """Five grey pictures whose pixels are their labels, and a list of them."""
    lines = []
    for index in range(5):
        Image.fromarray(np.full((4, 6), index, np.uint8)).save(tmp_path / f"a picture {index}.png")
        lines.append(f"a picture {index}.png {index}\n")
    (tmp_path / "list.txt").write_text("".join(lines))
    return tmp_path


def image_layer(more="", rest=""):
    return layer(f'image_data_param {{ source: "list.txt" {more} }} {rest}', "ImageData")


def labels_of(batches):
    return [int(label) for batch in batches for label in batch["label"]]


def test_a_list_is_read_in_order_and_again(listed):
    batches = take(open_source(image_layer("batch_size: 3"), listed, "TEST"), 4)
    assert labels_of(batches) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert batches[0]["data"].shape == (3, 3, 4, 6)
    assert batches[1]["data"][:, 0, 0, 0].tolist() == [3, 4, 0]


def test_a_shuffled_list_has_each_line_once_in_every_pass(listed):
    definition = image_layer("batch_size: 5 shuffle: true")
    batches = take(open_source(definition, listed, "TRAIN", seed=1), 6)
    passes = [labels_of([batch]) for batch in batches]
    assert all(sorted(labels) == [0, 1, 2, 3, 4] for labels in passes)
    assert len({tuple(labels) for labels in passes}) > 1
    assert labels_of(take(open_source(definition, listed, "TRAIN", seed=1, start=2), 4)) == sum(
        passes[2:], []
    )
    assert labels_of(take(open_source(definition, listed, "TRAIN", seed=2), 6)) != sum(passes, [])


def test_rand_skip_begins_somewhere_and_never_beyond(listed):
    definition = image_layer("batch_size: 1 rand_skip: 4")
    firsts = {
        labels_of(take(open_source(definition, listed, "TRAIN", seed=seed), 1))[0]
        for seed in range(30)
    }
    assert firsts == {0, 1, 2, 3}
    with pytest.raises(UsageError, match=r"rand_skip passes over \d+ lines"):
        open_source(image_layer("batch_size: 1 rand_skip: 400000"), listed, "TRAIN")


def test_root_folder_is_put_in_front(listed):
    (listed / "sub").mkdir()
    for path in listed.glob("*.png"):
        path.rename(listed / "sub" / path.name)
    assert next(open_source(image_layer('root_folder: "sub/"'), listed, "TEST"))["label"] == [0]


@pytest.mark.parametrize(
    ("text", "told"),
    [("a.png", r"list.txt:1: .* 'a.png'"), ("\n", "lists no picture"), ("none.png 1", "none.png")],
)
def test_a_wrong_list_is_told(listed, text, told):
    (listed / "list.txt").write_text(text)
    with pytest.raises(UsageError, match=told):
        next(open_source(image_layer(), listed, "TEST"))


def test_settings_that_cannot_be_met_are_told(listed):
    with pytest.raises(NetError, match="go together"):
        open_source(image_layer("new_height: 3"), listed, "TEST")
    with pytest.raises(NetError, match="batch_size"):
        open_source(image_layer("batch_size: 0"), listed, "TEST")
    with pytest.raises(UsageError, match="cannot read the source"):
        open_source(image_layer(), listed / "none", "TEST")


def test_hdf5_rows_span_files_and_wrap_as_in_caffe(shared):
    folder = shared / "golden" / "formats"
    text = (
        (folder / "h5_net.prototxt").read_text().removeprefix("layer {").rstrip().removesuffix("}")
    )
    definition = text_format.Parse(text, LayerParameter())
    expected = np.load(folder / "expected" / "hdf5data_7_batches_of_4.npz")
    batches = take(open_source(definition, folder, "TEST"), 7)
    for top in definition.top:
        made = np.stack([batch[top] for batch in batches])
        np.testing.assert_array_equal(made.ravel(), expected[top].ravel())


def test_reading_databases_never_loads_tensorflow():
    code = (
        "import sys, zoo.transfer.databases.data, zoo.transfer.databases.image_data;"
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout == "[]\n"
