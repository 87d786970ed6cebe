"""No file that is cut, damaged or something else does more than raise an error with words."""

import errno
import os
import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from caffemodel_bytes import assert_equal, by_protobuf, field, layer, packed, shape

from zoo.caffe.weights import read_weights
from zoo.caffe.wire import VARINT, varint_bytes
from zoo.errors import ParseError, UnavailableError, WeightsError, ZooError


@pytest.fixture
def read(tmp_path):
    """Reads bytes as a file."""

    def read_bytes(content):
        path = tmp_path / "some.caffemodel"
        path.write_bytes(content)
        return read_weights(path)

    return read_bytes


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>" * 40, "web page"),
        (b"\xef\xbb\xbf<html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n", "git lfs pull"),
        (b'name: "LeNet"\nlayer {\n  name: "data"\n}\n', "prototxt.*Give the .caffemodel here"),
        (b'# solver\nnet: "train.prototxt"\nbase_lr: 0.01\n', "text of a solver"),
        (b'{"error": "not found"}', "text file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5 file of a layout that Caffe does not write"),
        (b"PK\x03\x04" + bytes(100), "zip archive"),
        (b"\x1f\x8b\x08\x00" + bytes(100), "gzip archive"),
        (bytes(10_000), "zeros"),
        (field(1, 5, VARINT) + field(2, b"snap_iter_5.caffemodel"), "solver state"),
    ],
)
def test_another_kind_of_file_is_named(read, content, words):
    with pytest.raises(ParseError, match=f"(?is){words}") as caught:
        read(content)
    assert caught.value.path.endswith("some.caffemodel")


def test_random_bytes_are_never_read(read):
    for seed in range(500):
        with pytest.raises(ZooError, match="some.caffemodel"):
            read(random.Random(seed).randbytes(1000))


def test_solverstate_and_mean_image_are_named(shared):
    for name in ("snap_SGD_iter_5.solverstate", "mean.binaryproto"):
        with pytest.raises(ParseError, match="solver state or a mean image"):
            read_weights(shared / "golden" / "formats" / name)


def test_message_without_layers_is_refused(read):
    with pytest.raises(WeightsError, match="there are no layers in this file"):
        read(field(1, b"net\x01") + field(5, 1, VARINT))


def test_old_and_current_layers_in_one_file_are_refused(read):
    with pytest.raises(WeightsError, match="`layer` and the older `layers` at once"):
        read(field(2, field(4, b"old")) + layer("new", packed(1)))


def test_truncated_file_names_the_byte_and_what_is_missing(shared, tmp_path):
    whole = (shared / "models" / "squeezenet_v1.0" / "squeezenet_v1.0.caffemodel").read_bytes()
    path = tmp_path / "cut.caffemodel"
    path.write_bytes(whole[:1_000_000])
    with pytest.raises(ParseError, match="probably cut: fetch it again") as caught:
        read_weights(path)
    assert "the file has 1000000 bytes, but the field at byte" in str(caught.value)
    words = str(caught.value).split()
    missing = int(words[words.index("needs") + 1])
    start = int(words[words.index("byte") + 1])
    assert start < 1_000_000 < 1_000_000 + missing <= len(whole)


def test_file_cut_anywhere_is_refused_or_is_a_whole_shorter_one(shared, read):
    whole = (shared / "golden" / "layers" / "conv_k1.caffemodel").read_bytes()
    complete = 0
    for length in range(1, len(whole)):
        try:
            weights = read(whole[:length])
        except ZooError:
            continue
        complete += 1
        assert_equal(weights, by_protobuf(whole[:length])[0])
    assert complete <= 3  # cuts that fall between two layers, which nothing can tell


@pytest.mark.parametrize(
    ("blob", "words"),
    [
        (shape(3, 4) + packed(1, 2), r"shape \(3, 4\) is of 12 values, but 2 are there"),
        (shape(3, 4), "12 values, but 0 are there. The weights were left out"),
        (packed(1, 2), r"shape \(\) is of 1 values, but 2"),
        (shape(-1) + packed(1), r"shape \(-1,\) has a negative size"),
        (field(1, 2**64 - 1, VARINT) + packed(1), r"\(-1, 0, 0, 0\) has a negative size"),
        (shape(2**62), "more values than a blob can hold"),
        (shape(0, 2**62), "more values than a blob can hold"),
        (shape(*[2] * 31), "more values than a blob can hold|2147483648 values"),
        (field(7, field(1, 1, VARINT) * 33) + packed(1), "33 axes; Caffe has at most 32"),
    ],
)
def test_impossible_blobs_are_refused_by_layer_and_index(read, blob, words):
    with pytest.raises(WeightsError, match=words) as caught:
        read(layer("good", packed(1)) + layer("fc8", packed(1), blob))
    assert "layer 'fc8', blob 1" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xa2\x06" + varint_bytes(2**60), "byte 0: a field of 1152921504606846987 bytes"),
        (field(100, b"\x3a" + varint_bytes(2**40)), "byte 3: a field of 10995116277"),
        (field(100, b"\x3a\x05") + bytes(20), "byte 3: a field of 7 bytes where 2 bytes are left"),
        (b"\xa2" * 11 + b"\x01", "more than ten bytes"),
        (b"\x80" * 9 + b"\x02", "no field can have number"),
        (field(100, field(7, field(5, b"12345"))), "5 bytes are no whole count of 4"),
        (field(100, field(7, field(8, b"1234"))), "4 bytes are no whole count of 8"),
        (field(100, field(7, shape(*[1] * 33))), "more than 32 integers"),
        (field(100, field(1, b"\x01" * 1025)), "a name of 1025 bytes"),
        (b"\x0b" * 1000, "wire type 3"),
        (field(100, b"\x0c"), "wire type 4"),
        (field(5, 1, VARINT) * 200_001, "more than 200000 fields"),
        (field(100, field(7, b"")) + b"\x2d\0", "the file has .* needs 3 more"),
    ],
)
def test_damage_on_the_wire_names_the_byte(read, content, words):
    with pytest.raises(ParseError, match=words):
        read(content)


def test_nesting_is_as_deep_as_the_schema_and_no_deeper(read):
    for number in (1, 2, 7, 100):
        content = b""
        while len(content) < 60_000:
            content = field(number, content)
        try:
            read(content)
        except ZooError:
            continue


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads its size from /proc")
def test_hostile_file_cannot_take_memory():
    """In a process that may not have 64 MiB more than it has once it has started."""
    program = textwrap.dedent("""
        import resource, sys, tempfile
        from pathlib import Path
        from zoo.caffe.weights import read_weights
        from zoo.caffe.wire import varint_bytes
        from zoo.errors import ZooError
        def field(number, value):
            return varint_bytes(number << 3 | 2) + varint_bytes(len(value)) + value
        dims = b"".join(varint_bytes(2**20) for _ in range(3))
        hostile = [
            b"\\xa2\\x06" + varint_bytes(2**60),
            field(100, field(7, b"\\x2a" + varint_bytes(2**31 - 1))),
            field(100, field(7, field(7, field(1, dims)))),
            field(100, field(7, b"\\x2a" + varint_bytes(2**60))),
            field(100, b"\\x0a" + varint_bytes(2**60)),
            field(100, field(7, field(7, b"\\x0a" + varint_bytes(2**60)))),
            field(100, field(7, b"")) * 1_000_000,
            field(100, field(7, b"\\x2d\\0\\0\\0\\0" * 1_000_000)),
            field(100, field(7, field(7, field(1, b"\\x01" * 4_000_000)))),
        ]
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + 2**26
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        path = Path(tempfile.mkdtemp()) / "hostile.caffemodel"
        for content in hostile:
            path.write_bytes(content)
            try:
                read_weights(path)
            except ZooError:
                continue
            sys.exit("was read")
    """)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, cwd=Path.cwd())


def mutations(content, count, seed):
    """Deterministic damage: bytes changed, runs cut out, doubled, or made into huge lengths."""
    dice = random.Random(seed)
    for _ in range(count):
        damaged = bytearray(content)
        for _ in range(dice.choice((1, 1, 2, 8))):
            at = dice.randrange(len(damaged))
            kind = dice.randrange(5)
            if kind == 0:
                damaged[at] = dice.randrange(256)
            elif kind == 1:
                damaged[at] ^= 1 << dice.randrange(8)
            elif kind == 2:
                del damaged[at : at + dice.randrange(1, 20)]
                damaged = damaged or bytearray(b"\x0a")
            elif kind == 3:
                damaged[at:at] = damaged[at : at + dice.randrange(1, 40)]
            else:
                damaged[at : at + 1] = b"\xff" * dice.randrange(1, 9) + b"\x07"
        yield bytes(damaged)


@pytest.mark.parametrize(
    "name",
    [
        "formats/legacy_v0",
        "formats/legacy_v1",
        "layers/bn_scale",
        "layers/conv_k1",
        "layers/lstm",
        "layers/net_siamese",
    ],
)
def test_damaged_files_are_refused_or_read_as_protobuf_reads_them(shared, read, name):
    content = (shared / "golden" / f"{name}.caffemodel").read_bytes()
    started = time.process_time()
    for damaged in mutations(content, 300, seed=name):
        try:
            weights = read(damaged)
        except ZooError:
            continue
        try:
            expected, _ = by_protobuf(damaged)
        except Exception:
            continue
        if len(set(weights.layer_names)) == len(weights.layer_names):
            assert_equal(weights, expected)
    assert time.process_time() - started < 20


# What is not there


def test_missing_file_suggests_one_that_is_there(tmp_path):
    (tmp_path / "alexnet.caffemodel").touch()
    with pytest.raises(WeightsError, match="there is no file .*Did you mean alexnet.caffemodel"):
        read_weights(tmp_path / "alexnt.caffemodel")


def test_folder_lists_the_caffemodels_in_it(tmp_path):
    (tmp_path / "a.caffemodel").touch()
    with pytest.raises(
        WeightsError, match="is a folder.*Give one of the files in it: a.caffemodel"
    ):
        read_weights(tmp_path)


def test_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WeightsError, match="not a regular file"):
        read_weights(tmp_path / "pipe")


def test_file_that_the_system_refuses_is_unavailable(tmp_path):
    with pytest.raises(UnavailableError, match=os.strerror(errno.ENAMETOOLONG)):
        read_weights(tmp_path / ("x" * 300))
