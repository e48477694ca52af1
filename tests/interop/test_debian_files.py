"""Files of Debian's generator: one noise readout, no measurementInformation, no LAST_IN_REPETITION."""

import shutil

import h5py
import numpy as np
import pytest

from tests.interop.peers import run, series

pytestmark = pytest.mark.interop

GENERATOR = "ismrmrd_generate_cartesian_shepp_logan"


@pytest.fixture
def generate(tmp_path):
    """Makes a file of 64 x 64 with 4 coils and a noise readout, and gives it with the phantom in it."""
    if shutil.which(GENERATOR) is None:
        pytest.skip(f"{GENERATOR} is not on PATH")

    def make(*options):
        path = tmp_path / "shepp.h5"
        size = "-m 64 -c 4 -C -n 0.01"
        code, said = run([GENERATOR, *size.split(), *options, "-o", path], tmp_path)
        assert code == 0, said
        with h5py.File(path) as file:
            phantom = file["dataset/phantom"][()].reshape(-1, 64, 64)[0]
        return path, np.hypot(phantom["real"], phantom["imag"])

    return make


def nrmse(image, truth):
    image = image.astype(np.float64)
    scale = (image * truth).sum() / (image * image).sum()
    return np.linalg.norm(scale * image - truth) / np.linalg.norm(truth)


@pytest.mark.parametrize("chain", ["cartesian_fft", "cartesian_grappa"])
def test_a_full_scan_gives_an_image_of_each_repetition(generate, replayed, chain):
    path, phantom = generate("-r", "2")
    images = series(replayed(path, chain))[1]
    assert images.shape == (2, 1, 1, 64, 64)
    assert max(nrmse(image[0, 0], phantom) for image in images) < 0.35


def test_an_accelerated_scan_is_unaliased(generate, replayed):
    path, phantom = generate("-r", "2", "-a", "2", "-w", "20")
    images = series(replayed(path, "cartesian_grappa"))[1]
    assert images.shape == (4, 1, 1, 64, 64)
    assert max(nrmse(image[0, 0], phantom) for image in images) < 0.35
