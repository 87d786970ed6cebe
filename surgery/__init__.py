"""Operations on a Net, each returning a new Net and a report of what it did.

    net, report = zoo.surgery.replace_head(net, classes=20)

Nothing is changed in place, so the net from before is what undoes an operation. Recipes, files with
lists of these operations, are in `zoo.surgery.recipe`; see docs/surgery.md.
"""

from zoo.surgery.cast import classifier, fully_convolutional
from zoo.surgery.cut import cut, cut_off, stitch
from zoo.surgery.edit import set_parameter, swap_layer
from zoo.surgery.first_layer import fold_preprocessing, swap_channels
from zoo.surgery.fold import fold
from zoo.surgery.graft import graft
from zoo.surgery.groups import join_groups, split_groups
from zoo.surgery.half import half_precision
from zoo.surgery.head import replace_head
from zoo.surgery.input_shape import change_input
from zoo.surgery.insert_norm import insert_batch_norm
from zoo.surgery.low_rank import low_rank
from zoo.surgery.params import reinitialise, set_params
from zoo.surgery.prune import prune_filters, prune_weights
from zoo.surgery.rename import rename_blob, rename_layer
from zoo.surgery.report import SurgeryReport
from zoo.surgery.rewire import insert_layer, remove_layer
from zoo.surgery.sharing import share, unshare
from zoo.surgery.skip import fcn
from zoo.surgery.stride import trade_stride
from zoo.surgery.towers import heads, merge, siamese

__all__ = [
    "SurgeryReport",
    "change_input",
    "classifier",
    "cut",
    "cut_off",
    "fcn",
    "fold",
    "fold_preprocessing",
    "fully_convolutional",
    "graft",
    "half_precision",
    "heads",
    "insert_batch_norm",
    "insert_layer",
    "join_groups",
    "low_rank",
    "merge",
    "prune_filters",
    "prune_weights",
    "reinitialise",
    "remove_layer",
    "rename_blob",
    "rename_layer",
    "replace_head",
    "set_parameter",
    "set_params",
    "share",
    "siamese",
    "split_groups",
    "stitch",
    "swap_channels",
    "swap_layer",
    "trade_stride",
    "unshare",
]
