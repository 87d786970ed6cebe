"""Pictures of digits that the embedded model has never seen."""

import pytest
from digit_pictures import write_digits

NAMES = ["five", "six", "seven", "eight", "nine"]


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """The folder of `train.npz` and `val.npz`, see `digit_pictures.write_digits`."""
    return write_digits(tmp_path_factory.mktemp("digits"), NAMES)
