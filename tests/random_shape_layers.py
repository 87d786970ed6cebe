"""The same for kinds that join and part blobs, give them other axes, or choose from them."""

from math import prod

from growing_net import block


@block("Eltwise")
def eltwise(net, kind):
    operation = net.number(0, 2)
    first = net.blob()
    if operation == 0:
        first = net.add("TanH", first)[0]
    bottoms = [first, *(net.like(first) for _ in range(net.number(1, 2)))]
    settings = {"operation": operation}
    if operation == 1 and net.flag():
        settings["coeff"] = [net.pick(1, -1, 0.5) for _ in bottoms]
    net.add(kind, *bottoms, eltwise_param=settings)


@block("Concat")
def concat(net, kind):
    first = net.blob()
    bottoms = [first, *(net.like(first) for _ in range(net.number(0, 2)))]
    rank = len(net.shapes[first])
    axis = net.axis(rank)
    settings = net.pick({"axis": axis}, {"concat_dim": axis % rank})
    net.add(kind, *bottoms, concat_param=settings)


@block("Slice")
def cut(net, kind):
    bottom = net.blob()
    shape = net.shapes[bottom]
    axis = net.axis(len(shape))
    size = shape[axis]
    if size > 1 and net.flag():
        points = sorted({net.number(1, size - 1) for _ in range(2)})
        net.add(
            kind, bottom, tops=len(points) + 1, slice_param={"axis": axis, "slice_point": points}
        )
    else:
        net.add(kind, bottom, tops=net.divisor(size), slice_param={"axis": axis})


@block("Split")
def split(net, kind):
    net.add(kind, net.blob(), tops=net.number(1, 3))


@block("Silence")
def silence(net, kind):
    net.add(kind, net.blob(), tops=0)


@block("HDF5Output")
def hdf5_output(net, kind):
    net.add(kind, net.blob(), net.blob(), tops=0, hdf5_output_param={"file_name": "unwritten.h5"})


@block("Flatten")
def flatten(net, kind):
    bottom = net.blob()
    rank = len(net.shapes[bottom])
    first = net.number(0, rank - 1)
    last = net.number(first, rank - 1)
    net.add(kind, bottom, flatten_param={"axis": first, "end_axis": net.pick(last, last - rank)})


@block("Reshape")
def reshape(net, kind):
    bottom = net.blob()
    shape = net.shapes[bottom]
    first = net.number(0, len(shape) - 1)
    axes = net.number(1, len(shape) - first)
    inner = prod(shape[first : first + axes])
    part = net.divisor(inner)
    dims = net.pick([part, inner // part], [part, -1], [1, part, -1, 1], [-1])
    if axes > 1:
        dims = net.pick(dims, [0, -1])
    settings = {"axis": net.pick(first, first - len(shape) - 1), "num_axes": axes}
    net.add(kind, bottom, reshape_param={"shape": {"dim": dims}, **settings})


@block("Crop")
def crop(net, kind):
    bottom = net.blob()
    shape = net.shapes[bottom]
    axis = net.axis(len(shape))
    sizes = [net.number(1, size) for size in shape]
    offset = [net.number(0, shape[i] - sizes[i]) for i in range(axis % len(shape), len(shape))]
    reference = net.source(sizes)
    settings = {"axis": axis, "offset": net.pick(offset, [] if len(shape) > 1 else offset)}
    net.add(kind, bottom, reference, crop_param=settings)


@block("Tile")
def tile(net, kind):
    bottom = net.blob()
    axis = net.axis(len(net.shapes[bottom]))
    net.add(kind, bottom, tile_param={"axis": axis, "tiles": net.number(1, 3)})


@block("Reduction")
def reduction(net, kind):
    bottom = net.blob()
    settings = {"axis": net.axis(len(net.shapes[bottom])), "operation": net.number(1, 4)}
    net.add(kind, bottom, reduction_param={**settings, "coeff": net.pick(1, -0.5)})


@block("ArgMax")
def arg_max(net, kind):
    bottom = net.blob(2, 3, 4, 5, unrounded=True)
    shape = net.shapes[bottom]
    axis = net.axis(len(shape))
    settings = {"out_max_val": net.flag()}
    if net.flag():
        settings |= {"axis": axis, "top_k": net.number(1, shape[axis])}
    else:
        settings["top_k"] = net.number(1, prod(shape[1:]))
    net.add(kind, bottom, argmax_param=settings)


@block("BatchReindex")
def batch_reindex(net, kind):
    bottom = net.blob()
    net.add(kind, bottom, net.whole_numbers(net.shapes[bottom][0], net.number(1, 4)))


@block("Filter")
def choose(net, kind):
    bottoms = [net.blob()]
    batch = net.shapes[bottoms[0]][0]
    bottoms += [net.like(bottoms[0]) for _ in range(net.number(0, 1))]
    selector = net.whole_numbers(2, batch)
    net.add_chosen(kind, *bottoms, selector, tops=len(bottoms), axis=0)
