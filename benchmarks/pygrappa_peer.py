"""Run by a Python that has pygrappa: ``given.npz taken.npz {"kernels": ..., "lambdas": ...}``."""

import json
import sys

import numpy as np
from pygrappa import mdgrappa


def main() -> None:
    """Fill the missing lines with each kernel (along x, along y) and each lambda."""
    given, taken, words = sys.argv[1:]
    data, asked = np.load(given), json.loads(words)
    kspace, calib = (np.ascontiguousarray(data[name].transpose(1, 2, 0)) for name in ("kspace", "calib"))
    filled = [
        [
            mdgrappa(kspace.copy(), calib.copy(), kernel_size=(along_y, along_x), lamda=weight).transpose(
                2, 0, 1
            )
            for weight in asked["lambdas"]
        ]
        for along_x, along_y in asked["kernels"]
    ]
    np.savez(taken, filled=np.array(filled))


if __name__ == "__main__":
    main()
