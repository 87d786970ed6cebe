"""No definition, however it is damaged, does more than raise an error with words.

Time, memory and the kind of error are held for every input, text and binary. What is read is also
made a Net, so that sizes that only the text is wrong about are found before anything is allocated.
"""

import time
import tracemalloc
from contextlib import suppress

import pytest
from caffemodel_bytes import field, packed, shape
from mutations import COUNTS, mutations

from zoo.caffe.read import read_definition
from zoo.caffe.weights import read_weights
from zoo.caffe.wire import varint_bytes
from zoo.errors import NetError, ParseError, ZooError
from zoo.layers.kind import known_types
from zoo.net import Net

# protobuf's parser passes a wrong escape on to Python, which only finds it out of date.
pytestmark = pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
SECONDS = 2  # for one input; the usual is a few milliseconds
BYTES = 2**25  # of memory that Python makes for one small input

TEXT = """
name: "mixed"
input: "label" input_shape { dim: 2 }
layer { name: "data" type: "Input" top: "data"  # a comment
  input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv" type: 'Convolution' bottom: "data" top: "conv" param { name: "w" lr_mult: 1 }
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "warp" type: "FlowWarp" bottom: "conv" top: "warp" include { phase: TRAIN }
  flow_warp_param { order: 0 nested { deep: "}" } } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param < pool: MAX kernel_size: 2 stride: 2 > }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
  inner_product_param { num_output: 10 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" loss_weight: 1e-1 }
"""


@pytest.fixture
def read(tmp_path):
    """Reads bytes as a definition, and makes a Net of it; both as users do."""

    def read_bytes(content):
        path = tmp_path / "some.prototxt"
        path.write_bytes(content)
        return Net.read(path)

    return read_bytes


def survives(read, contents):
    """Every input is read or refused with our own errors, in bounded time; gives the peak."""
    tracemalloc.start()
    try:
        for content in contents:
            started = time.process_time()
            with suppress(ZooError):
                read(bytes(content))
            assert time.process_time() - started < SECONDS
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", COUNTS)
def test_mutated_text_ends_in_our_own_errors_or_not_at_all(read, count):
    assert survives(read, mutations(TEXT.encode(), count)) < BYTES


@pytest.mark.parametrize("count", COUNTS)
def test_mutated_binary_definitions_end_in_our_own_errors_or_not_at_all(shared, read, count):
    content = (shared / "golden/formats/snap_SGD_iter_5.caffemodel").read_bytes()
    assert survives(read, mutations(content, count)) < BYTES


@pytest.mark.parametrize("count", COUNTS)
def test_mutated_weights_end_in_our_own_errors_or_not_at_all(shared, tmp_path, count):
    path = tmp_path / "mutated.caffemodel"

    def read(content):
        path.write_bytes(content)
        for blobs in read_weights(path).values():
            [blob.tobytes() for blob in blobs]

    content = (shared / "golden/formats/snap_SGD_iter_5.caffemodel").read_bytes()
    assert survives(read, mutations(content, count)) < BYTES


# Named ones


def source(*dims):
    sizes = " ".join(f"dim: {dim}" for dim in dims)
    return f'layer {{ name: "a" type: "Input" top: "a" input_param {{ shape {{ {sizes} }} }} }}'


def unknown_kind(body):
    return b'layer { name: "a" type: "Odd" top: "a" odd_param { ' + body + b" } }"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (source(2**60), "more values than a blob can hold"),
        (source(2**22, 2**22, 2**22), "more values than a blob can hold"),
        (source(2**63), "Couldn't parse integer|out of range"),
        (source(-1), "every size must be at least 1"),
        (
            source(1, 3, 8, 8) + 'layer { name: "c" type: "InnerProduct" bottom: "a" top: "c"'
            " inner_product_param { num_output: 4294967295 } }",
            "'c': .*more values than a blob can hold",
        ),
        ("layer {" * 10_000, ":1:8: .*no field 'layer'"),
        ("layer <a " * 10_000, "no field 'a'"),
        ("input: " + "[" * 10_000, ":1:9"),
        ("a" * 10_000_000, "no field 'aaa"),
        ('name: "' + "a" * 10_000_000, ":1:7"),
        ("input_dim: " + "9" * 1_000_000, ":1:12"),
        ('name: "a\0b"', "neither text nor a binary"),
        (b'name: "\xff\xfe"', "neither text nor a binary"),
        (r'name: "\xff\xfe"', "utf-8"),
        (b"\xa2\x06" + varint_bytes(2**32), "neither text nor a binary"),
        (field(100, b"\x3a" + varint_bytes(2**60)), "neither text nor a binary"),
        (field(100, b"\x0b" * 100_000), "neither text nor a binary"),
        (field(100, field(1, b"a") + field(2, b"ReLU\xff")), "LayerParameter.type is not UTF-8"),
        (field(100, field(3, b"\xfe")), "LayerParameter.bottom is not UTF-8"),
    ],
)
def test_hostile_definitions_are_refused_where_they_are_wrong(read, content, words):
    started = time.process_time()
    with pytest.raises((ParseError, NetError), match=f"(?s){words}") as caught:
        read(content if isinstance(content, bytes) else content.encode())
    assert time.process_time() - started < 10
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    "content",
    [
        unknown_kind(b"{ " * 10_000 + b"} " * 10_000),
        unknown_kind(b'"a\n' * 100_000),
        b"".join(unknown_kind(b"a: 1").replace(b'"a"', b'"a%d"' % i) for i in range(2000)),
        b'name: "' + b"a" * 5_000_000 + b'"' + source(1).encode(),
        field(100, field(1, b"a") + field(7, shape(2**60) + packed(1))),
        field(100, field(1, b"a") + field(7, field(7, field(1, b"\x01" * 1_000_000)))),
    ],
    ids=["nested", "open strings", "many fields", "long name", "2^60", "many dims"],
)
def test_what_only_looks_hostile_is_read_in_bounded_time_and_memory(tmp_path, content):
    path = tmp_path / "some.prototxt"
    path.write_bytes(content)
    tracemalloc.start()
    started = time.process_time()
    assert read_definition(path, known_types()).layer
    Net.read(path)
    assert time.process_time() - started < 10
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400 * len(content) + BYTES
