"""``scanside simulate epi`` through the chain ``epi``: the image is the truth, and the ghost is gone."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from server.cli import main
from server.files.truth import read_truth

CONFIGS = Path(__file__).parents[3] / "configs"


def reconstruct(folder, *options, chain="epi"):
    """The image of the simulated scan, the map of its noise, and the truth."""
    scan, out = folder / "scan.h5", folder / "out.h5"
    assert main(["simulate", "epi", "--matrix", "64x48", "--coils", "6", *options, "-o", str(scan)]) == 0
    assert main(["run", str(chain), str(scan), "-o", str(out)]) == 0
    with h5py.File(out) as file:
        image, noise = (file["dataset"][name]["data"][0, 0, 0] for name in ("image_1", "image_20"))
    return image, noise, read_truth(scan)["image"].values[0]


def error(image, truth):
    scale = (image * truth).sum() / (image**2).sum()
    return float(np.linalg.norm(scale * image - truth) / np.linalg.norm(truth))


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ((), 0.03),
        (("--shots", "2"), 0.03),
        (("--acceleration", "2", "--calibration", "separate", "--reference-lines", "48"), 0.06),
        (("--partial-fourier", "0.75"), 0.08),
    ],
    ids=["single shot", "two shots", "GRAPPA", "partial Fourier"],
)
def test_the_image_is_the_truth(tmp_path, options, most):
    image, _, truth = reconstruct(tmp_path, "--snr", "100", *options)
    assert error(image, truth) < most


def test_without_the_correction_there_is_a_ghost(tmp_path):
    lines = (
        (CONFIGS / "epi.yml").read_text().replace("- CorrectEpi", "- CorrectEpi: {order: 0, drift: false}")
    )
    chain = tmp_path / "half.yml"
    chain.write_text(lines)
    ghosted, _, truth = reconstruct(tmp_path, "--snr", "100", chain=chain)
    image, *_ = reconstruct(tmp_path, "--snr", "100")
    outside = (truth < 0.02 * truth.max()) & (np.roll(truth, 24, 0) > 0.2 * truth.max())
    inside = truth > 0.2 * truth.max()
    level = [float(each[outside].mean() / each[inside].mean()) for each in (ghosted, image)]
    assert level[0] > 0.1
    assert level[1] < 0.02
