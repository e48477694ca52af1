"""Every installed chain, on a simulated scan that fits it: what its images show."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from gadgets.data import NoiseMeasurement
from models.simulation.epi import Train, simulate_epi
from models.simulation.sampling import Sampling
from models.simulation.scan import Protocol, simulate
from server import epi
from server.acquisition import describe
from server.chain import build, chains, named
from server.engine.line import run
from server.files.header import write_header
from server.simulate import runs
from server.wire.readouts import split
from tests.endtoend.scans import pixels, said, send


@dataclass(frozen=True)
class Case:
    """A scan, and what the chain's images have to be."""

    sampling: dict = field(default_factory=dict)
    noise: int = 64
    snr: float = 60.0
    units: bool = True
    """The image is in SNR units; else only in proportion to the truth."""

    error: float = 0.05
    """NRMSE against the truth over the object."""

    dtype: str = "float32"
    roles: tuple[str, ...] = ("image",)
    train: Train | None = None
    """The scan is an echo-planar one."""

    filtered: bool = False
    """A Gaussian of sigma 1 over k-space, of unit mean square, belongs to the chain."""


GRAPPA = {"acceleration": 2, "reference_lines": 16}
CASES = {
    "cartesian_fft": Case(),
    "cartesian_grappa": Case(GRAPPA, roles=("gfactor", "image")),
    "cartesian_normalized": Case(GRAPPA, roles=("bias", "gfactor", "image", "normalized")),
    "cartesian_grappa_compressed": Case(GRAPPA, roles=("gfactor", "image")),
    "Generic_Cartesian_FFT.xml": Case({"repetitions": 2}, dtype="uint16", filtered=True),
    "Generic_Cartesian_Grappa.xml": Case(GRAPPA, dtype="uint16", filtered=True),
    "Generic_Cartesian_Grappa_SNR.xml": Case(
        {**GRAPPA, "repetitions": 8},
        roles=("gfactor", "image", "noise", "snr"),
        dtype="uint16",
        filtered=True,
    ),
    "Generic_Cartesian_Grappa_RealTimeCine.xml": Case(
        GRAPPA, roles=("gfactor", "image"), dtype="uint16", filtered=True
    ),
    "cartesian_partial_fourier": Case(
        {**GRAPPA, "partial_fourier": 0.75}, roles=("gfactor", "image"), error=0.08
    ),
    "epi": Case(units=False, roles=("gfactor", "image"), train=Train(shots=2)),
    "epi.xml": Case({"repetitions": 2}, units=False, train=Train(shots=2), dtype="uint16"),
    "Generic_Cartesian_Grappa_EPI.xml": Case(
        {"repetitions": 2}, units=False, train=Train(shots=2), dtype="uint16", filtered=True
    ),
    "Generic_Cartesian_NonLinear_Spirit_RealTimeCine.xml": Case(
        {**GRAPPA, "repetitions": 2}, dtype="uint16", filtered=True, error=0.08
    ),
    "realtime_cine": Case({"acceleration": 2, "calibration": "interleaved", "repetitions": 4}, error=0.08),
    "cartesian_sense": Case(GRAPPA, roles=("gfactor", "image")),
    "grappa.xml": Case({**GRAPPA, "repetitions": 2}, dtype="uint16"),
    "grappa_cpu.xml": Case(GRAPPA, dtype="uint16"),
    "cartesian_spirit": Case(GRAPPA),
    "cartesian_unrolled": Case(GRAPPA, roles=("image", "noise"), error=0.1),
    "realtime_cine_unrolled": Case(
        {"acceleration": 4, "calibration": "interleaved", "repetitions": 8, "slices": 1},
        snr=40.0,
        roles=("image", "linear", "noise"),
        error=0.1,
    ),
    "denoise": Case(GRAPPA, roles=("gfactor", "image", "linear"), error=0.1),
    "cine_function": Case(GRAPPA, roles=("image", "labels", "report")),
    "cartesian_l1wavelet": Case(GRAPPA, roles=("gfactor", "image", "linear"), error=0.1),
    "default.xml": Case({"repetitions": 2}, noise=0, units=False, error=0.1),
}
NOISE = ("default_measurement_dependencies",)
PERFUSION = ("perfusion",)
"""Has a scan of its own kind: tests/endtoend/test_perfusion.py and tests/gadgets/cardiac run it."""

COILS = ("coil_measurement_dependencies", "cartesian_grappa_external")
"""Two scans that belong together: tests/server/dependencies/test_coils.py runs them."""


def scan(case):
    sampling = {"lines": 64, "slices": 2, **case.sampling}
    protocol = Protocol(
        sampling=Sampling(**sampling), columns=64, coils=8, snr=case.snr, noise_readouts=case.noise, seed=3
    )
    simulation = simulate(protocol)
    if case.train is not None:
        trains = simulate_epi(simulation, case.train)
        items = [p for each in epi.runs(trains) for p in split(each)]
        return simulation, epi.describe_epi(trains, "epi"), items
    return (
        simulation,
        describe(protocol, "shepp-logan"),
        [p for each in runs(simulation) for p in split(each)],
    )


def test_every_installed_chain_has_a_case():
    assert [name for name in chains() if name not in (*CASES, *NOISE, *COILS, *PERFUSION)] == []


@pytest.mark.parametrize("name", [name for name in CASES if name in chains()])
def test_a_chain_shows_what_was_simulated(name):
    case = CASES[name]
    simulation, header, items = scan(case)
    found = [each for each in run(build(named(name)), items, header) if hasattr(each, "role")]
    assert tuple(sorted({each.role for each in found})) == case.roles
    images = [each for each in found if each.role == "image"]
    assert len(images) == simulation.protocol.sampling.slices * simulation.protocol.sampling.repetitions
    for image in images:
        assert str(image.data.dtype) == f"torch.{case.dtype}"
        compare(image, simulation, case)


def compare(image, simulation, case):
    truth = simulation.image[int(image.head["slice"])].double().numpy()
    truth = truth * (1 + 0.1 * int(image.head["repetition"]))
    truth = smoothed(truth) if case.filtered else truth
    constants = image.meta["ScansideScale"] * image.meta.get("ScansideScaleRatio", 1)
    pixels = np.abs(image.data[0, 0].double().numpy()) / constants
    inside = truth > 0.1 * truth.max()
    if not case.units:
        pixels = pixels * (truth[inside] @ pixels[inside]) / (pixels[inside] @ pixels[inside])
    error = np.linalg.norm((pixels - truth)[inside]) / np.linalg.norm(truth[inside])
    assert error < case.error, f"NRMSE {error:.3f}"


def smoothed(image):
    x = (np.arange(image.shape[-1]) - image.shape[-1] // 2) / (image.shape[-1] / 2)
    window = np.exp(-(x**2) / 2)
    window = np.outer(window, window) / (window**2).mean()
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image))) * window
    return np.abs(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace))))


@pytest.mark.parametrize("name", ["Generic_Cartesian_Grappa.xml", "Generic_Cartesian_Grappa", "epi.xml"])
def test_a_console_names_gadgetrons_file(server, name):
    case = CASES[name if name.endswith(".xml") else f"{name}.xml"]
    _, header, items = scan(case)
    expected = [each for each in run(build(named(name)), items, header) if hasattr(each, "role")]
    answer, images = send(server, said(name, (write_header(header), items)))
    assert not answer.error
    assert [data for _, data in pixels(images)] == [data for _, data in pixels(expected)]


def test_the_noise_chain_measures_the_noise():
    simulation, header, items = scan(Case())
    (found,) = run(build(named(NOISE[0])), items[:1], header)
    assert isinstance(found, NoiseMeasurement)
    protocol = simulation.protocol
    expected = 2 * simulation.covariance.numpy() * protocol.dwell / protocol.noise_dwell
    assert np.linalg.norm(found.covariance - expected) < 0.1 * np.linalg.norm(expected)
