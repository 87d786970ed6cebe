"""Training data in MATLAB's files, of the versions that scipy reads and of 7.3, which is HDF5."""

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from zoo.errors import UsageError
from zoo.transfer.convert_data import convert_data
from zoo.transfer.data import open_data

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 6, 4, 3), np.uint8)
NUMBERS = np.array([0, 2, 1, 2, 0])


def cells(names):
    """A column of cells, as MATLAB keeps names."""
    column = np.empty((len(names), 1), object)
    column[:, 0] = names
    return column


def write_mat73(path, **arrays):
    """A file of version 7.3: 512 bytes of its own before an HDF5 file with the axes turned."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file[name] = array.T
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116))


@pytest.mark.parametrize("version", ["4", "5", "5 packed", "7.3"])
@pytest.mark.parametrize("label", [NUMBERS[None], NUMBERS[:, None].astype(float)])
def test_pictures_along_the_last_axis_are_rows(tmp_path, version, label):
    arrays = {"data": np.moveaxis(PICTURES, 0, -1), "label": label}
    if version == "4":  # which has no more than two axes
        arrays["data"] = PICTURES.reshape(5, -1).astype(float)
        savemat(tmp_path / "x.mat", arrays, format="4")
    elif version == "7.3":
        write_mat73(tmp_path / "x.mat", **arrays)
    else:
        savemat(tmp_path / "x.mat", arrays, do_compression="packed" in version)
    data = open_data(tmp_path / "x.mat")
    assert (data.kind, len(data), data.classes) == ("mat", 5, ("0", "1", "2"))
    np.testing.assert_array_equal(data.labels, NUMBERS)
    for row, picture in enumerate(PICTURES):
        read = data.read(row) if version == "4" else data.picture(row)
        np.testing.assert_array_equal(read, picture.ravel() if version == "4" else picture)


def test_names_in_cells_are_classes_and_rows_may_come_first(tmp_path):
    names = ["cat", "emu", "dog", "emu", "cat"]
    savemat(tmp_path / "x.mat", {"X": PICTURES[..., 0], "y": cells(names)})
    data = open_data(tmp_path / "x.mat")
    assert data.classes == ("cat", "dog", "emu")
    np.testing.assert_array_equal(data.labels, NUMBERS)
    np.testing.assert_array_equal(data.picture(1, gray=True), PICTURES[1, ..., 0])


def test_without_labels_pictures_are_along_the_last_axis(tmp_path):
    savemat(tmp_path / "x.mat", {"data": np.moveaxis(PICTURES, 0, -1)})
    data = open_data(tmp_path / "x.mat")
    assert (len(data), data.labels) == (5, None)
    np.testing.assert_array_equal(data.picture(4), PICTURES[4])


def test_it_is_converted(tmp_path):
    savemat(tmp_path / "x.mat", {"data": np.moveaxis(PICTURES, 0, -1), "label": NUMBERS})
    written = open_data(convert_data(open_data(tmp_path / "x.mat"), tmp_path / "x.h5"))
    np.testing.assert_array_equal(written.labels, NUMBERS)
    np.testing.assert_array_equal(written.picture(2), PICTURES[2])


def test_what_cannot_be_read_is_told(tmp_path):
    path = tmp_path / "x.mat"
    savemat(path, {"data": PICTURES, "label": NUMBERS[:4]})
    with pytest.raises(UsageError, match="5 rows, but 4 labels"):
        open_data(path)
    savemat(path, {"pictures": PICTURES})
    with pytest.raises(UsageError, match="no array of pictures.* received pictures"):
        open_data(path)
    savemat(path, {"data": PICTURES, "label": cells([[1], [2], [3], [4], [5]])})
    with pytest.raises(UsageError, match="numbers or names"):
        open_data(path)
    savemat(path, {"data": PICTURES, "label": NUMBERS})
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UsageError, match="cannot be read as .mat"):
        open_data(path)
    path.write_bytes(b"MATLAB 7.3 MAT-file" + bytes(600))
    with pytest.raises(UsageError, match="cannot be read as .mat"):
        open_data(path)


def test_cells_of_a_file_of_version_7_3_are_refused(tmp_path):
    write_mat73(tmp_path / "x.mat", data=PICTURES)
    with h5py.File(tmp_path / "x.mat", "r+") as file:
        file["label"] = np.array([file["data"].ref] * 5, h5py.ref_dtype)[None]
    with pytest.raises(UsageError, match="label cannot be read .* -v7"):
        open_data(tmp_path / "x.mat")
