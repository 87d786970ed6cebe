"""Pictures of digits that the embedded model has never seen."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

NAMES = np.array(["five", "six", "seven", "eight", "nine"])


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """Ten pictures of each of the digits 5 to 9 to train on, and ten others."""
    folder = tmp_path_factory.mktemp("digits")
    digits = load_digits()
    pictures = np.clip(digits.images * 16, 0, 255).astype(np.uint8)
    rows = np.stack([np.flatnonzero(digits.target == label)[:20] for label in range(5, 10)])
    for name, part in (("train", rows[:, :10].ravel()), ("val", rows[:, 10:].ravel())):
        labels = NAMES[digits.target[part] - 5]
        np.savez(folder / f"{name}.npz", data=pictures[part], label=labels)
    return folder
