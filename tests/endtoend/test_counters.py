"""Averages, contrasts, sets and partitions through a server: every image shows what was simulated."""

from dataclasses import replace

import numpy as np
import pytest

from gadgets.data import Readouts
from gadgets.scan import Limit
from models.simulation.sampling import Sampling
from models.simulation.scan import Protocol, simulate
from server.acquisition import describe
from server.files.header import write_header
from server.simulate import runs
from tests.endtoend.scans import said, send


def simulated(snr=100.0, **sampling):
    return simulate(Protocol(sampling=Sampling(lines=32, **sampling), columns=32, coils=6, snr=snr, seed=5))


def counted(simulation, counter):
    """The scan with its repetitions renamed to another counter, as a console would send it."""
    header = describe(simulation.protocol, "counters")
    encoding = header.encodings[0]
    limits = dict(encoding.limits)
    limits[counter], limits["repetition"] = limits["repetition"], Limit()
    items = []
    for item in runs(simulation):
        head = item.head.copy()
        head["idx"][counter] = head["idx"]["repetition"]
        head["idx"]["repetition"] = 0
        items.append(Readouts(head=head, data=item.data))
    scan = replace(header, encodings=(replace(encoding, limits=limits),))
    return write_header(scan), tuple(items)


def answered(server, chain, scan):
    answer, images = send(server, said(chain, scan))
    assert not answer.error
    return [image for image in images if image.meta["ScansideRole"] == "image"]


def error(image, truth):
    """NRMSE over the object of the image in the truth's units."""
    found = np.abs(image.data[0].double().numpy()) / float(image.meta["ScansideScale"])
    inside = truth > 0.1 * truth.max()
    return float(np.linalg.norm((found - truth)[inside]) / np.linalg.norm(truth[inside]))


@pytest.mark.parametrize("counter", ["contrast", "set", "phase"])
def test_each_contrast_set_and_phase_is_an_image_of_its_own(server, counter):
    simulation = simulated(repetitions=3, slices=2)
    images = answered(server, "cartesian_grappa", counted(simulation, counter))
    found = {(int(image.head["slice"]), int(image.head[counter])): image for image in images}
    assert sorted(found) == [(number, value) for number in range(2) for value in range(3)]
    for (number, value), image in found.items():
        assert int(image.head["repetition"]) == 0
        truth = (1 + 0.1 * value) * simulation.image[number : number + 1].numpy()
        assert error(image, truth) < 0.03


def test_averages_are_averaged_and_their_noise_falls(server):
    once, four = (simulated(snr=15.0, averages=count) for count in (1, 4))
    scans = [(write_header(describe(each.protocol, "averages")), tuple(runs(each))) for each in (once, four)]
    (single,), (mean,) = (answered(server, "cartesian_grappa", each) for each in scans)
    assert float(mean.meta["ScansideScale"]) == pytest.approx(2 * float(single.meta["ScansideScale"]))
    truth = four.image.numpy()
    assert error(mean, truth) < 0.75 * error(single, truth)


@pytest.mark.parametrize(("chain", "averages"), [("cartesian_fft", 1), ("cartesian_grappa", 2)])
def test_a_volume_is_one_image(server, chain, averages):
    simulation = simulated(partitions=8, averages=averages)
    scan = (write_header(describe(simulation.protocol, "volume")), tuple(runs(simulation)))
    (image,) = answered(server, chain, scan)
    assert image.data.shape == (1, 8, 32, 32)
    assert error(image, simulation.image.numpy()) < 0.04


def test_partial_fourier_along_x_and_y(server):
    protocol = Protocol(
        sampling=Sampling(lines=32, partial_fourier=0.75), columns=32, coils=6, snr=100.0, echo=0.75
    )
    simulation = simulate(protocol)
    scan = (write_header(describe(protocol, "partial")), tuple(runs(simulation)))
    (image,) = answered(server, "cartesian_partial_fourier", scan)
    (zero_filled,) = answered(server, "cartesian_grappa", scan)
    truth = simulation.image.numpy()
    assert error(image, truth) < 0.8 * error(zero_filled, truth)
