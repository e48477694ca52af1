"""The Cartesian chains that need coil maps, on simulated scans: the image against the truth."""

import numpy as np
import pytest

from models.simulation.sampling import Sampling
from models.simulation.scan import Protocol, simulate
from server.acquisition import describe
from server.files.header import write_header
from server.simulate import runs
from tests.endtoend.scans import offline


def simulated(acceleration, **fields):
    sampling = Sampling(lines=64, acceleration=acceleration, reference_lines=24, **fields)
    return simulate(Protocol(sampling=sampling, columns=64, coils=8, snr=40.0))


def images(chain, simulation):
    xml = write_header(describe(simulation.protocol, "shepp-logan"))
    return offline(chain, (xml, tuple(runs(simulation))))


def error(image, truth):
    """NRMSE at the best scale."""
    image = image * (image * truth).sum() / (image**2).sum()
    return float(np.linalg.norm(image - truth) / np.linalg.norm(truth))


@pytest.mark.parametrize(("acceleration", "most"), [(1, 0.06), (2, 0.08), (3, 0.12)])
def test_sense_gives_the_object_and_its_noise(acceleration, most):
    simulation = simulated(acceleration)
    image, gfactor = images("cartesian_sense", simulation)
    truth = simulation.image[0].numpy()
    found = image.data[0, 0].numpy()
    assert [image.role, gfactor.role] == ["image", "gfactor"]
    inside = truth > 0.1 * truth.max()
    assert error(found * inside, truth * inside) < most
    ratio = (found * truth)[inside].sum() / (truth[inside] ** 2).sum() / image.meta["ScansideScale"]
    assert ratio == pytest.approx(1, abs=0.03)
    noise = float(gfactor.data[0, 0][inside].mean())
    assert 0.9 < noise < 2.5
    rest = found[inside] - truth[inside] * image.meta["ScansideScale"]
    assert float(np.sqrt((rest**2).mean())) < 4 * noise


def test_wavelets_give_the_object_better_than_the_linear_image_beside_them():
    simulation = simulated(3)
    image, linear, gfactor = images("cartesian_l1wavelet", simulation)
    assert [image.role, linear.role, gfactor.role] == ["image", "linear", "gfactor"]
    assert gfactor.meta["ScansideNoiseOf"] == "linear"
    truth = simulation.image[0].numpy()
    inside = truth > 0.1 * truth.max()
    sparse, plain = (error(one.data[0, 0].numpy() * inside, truth * inside) for one in (image, linear))
    assert sparse < 0.9 * plain
    assert sparse < 0.1


def test_spirit_gives_the_object_in_the_units_of_sense():
    simulation = simulated(2)
    (image,) = images("cartesian_spirit", simulation)
    truth = simulation.image[0].numpy()
    found = image.data[0, 0].numpy()
    inside = truth > 0.1 * truth.max()
    assert error(found * inside, truth * inside) < 0.08
    ratio = (found * truth)[inside].sum() / (truth[inside] ** 2).sum() / image.meta["ScansideScale"]
    assert ratio == pytest.approx(1, abs=0.03)
