"""Writes the example files beside this script. Needs scikit-learn, which ships the data; the result is always the same.

usage: python make_examples.py [FOLDER]
"""

import pathlib
import sys

import numpy as np
from sklearn.datasets import load_breast_cancer

# (row, column, value): what goes wrong in practice, in few places.
FAULTS = (
    (17, 4, np.nan),
    (17, 5, np.nan),
    (301, 4, np.nan),
    (123, 23, np.inf),
)
CONSTANT_COLUMN = 11


def faulty_copy(features):
    """The features as float32, with the faults planted."""
    result = features.astype(np.float32)
    for row, column, value in FAULTS:
        result[row, column] = value
    result[:, CONSTANT_COLUMN] = 1.0
    return result


def main(folder):
    features, labels = load_breast_cancer(return_X_y=True)
    np.save(folder / "breast_cancer.npy", features)
    np.save(folder / "breast_cancer_labels.npy", labels)
    np.savez_compressed(folder / "breast_cancer.npz", X=features, y=labels)
    np.save(folder / "breast_cancer_faulty.npy", faulty_copy(features))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
