import math

import numpy as np
import pytest
import torch

from gadgets.arrays import resize, to_image
from models.errors import SimulationError
from models.simulation import scan
from models.simulation.coils import ring
from models.simulation.phantom import positions, raster
from models.simulation.sampling import Sampling
from models.simulation.scan import Protocol, simulate

QUIET = math.inf


def small(**changes):
    sampling = changes.pop("sampling", Sampling(lines=24))
    return Protocol(**({"sampling": sampling, "columns": 32, "coils": 3, "pixel": 0.008} | changes))


@pytest.mark.parametrize("oversampling", [1, 2])
def test_kspace_is_the_fourier_integral_of_signal_times_sensitivity(oversampling):
    protocol = small(oversampling=oversampling)
    found = simulate(protocol).kspace[0]
    fine = 16
    matrix = (32 * fine, 24 * fine)
    image = raster(protocol.anatomy(0), protocol.fov, matrix, 4)
    product = image * ring(3, protocol.fov).maps(matrix)
    samples = 32 * oversampling
    kx = (torch.arange(samples) - samples // 2) / (protocol.fov[0] * oversampling)
    ky = (torch.arange(24) - 12) / protocol.fov[1]
    along_x = torch.exp(-2j * math.pi * positions(protocol.fov[0], matrix[0])[:, None] * kx)
    along_y = torch.exp(-2j * math.pi * ky[:, None] * positions(protocol.fov[1], matrix[1]))
    summed = along_y @ product @ along_x * math.sqrt(samples * 24) / (oversampling * matrix[0] * matrix[1])
    assert (found - summed).norm() < 2e-3 * summed.norm()


def test_the_transform_of_kspace_is_the_object_seen_by_the_coils():
    protocol = Protocol(sampling=Sampling(lines=96), columns=96, coils=2, snr=QUIET)
    found = simulate(protocol)
    image = resize(to_image(found.kspace[0], (-2, -1)), -1, 96)
    seen = found.sensitivities[0] * found.object[0]
    assert (image - seen).norm() < 0.13 * seen.norm()
    inside = found.sensitivities[0].conj() * (found.object[0] > 0.01)
    assert float((inside * image).sum().real / (inside * seen).sum().real) == pytest.approx(1, abs=0.01)


def test_the_true_image_is_what_the_transform_gives_combined_along_the_sensitivities():
    found = simulate(small(snr=20.0))
    image = resize(to_image(found.kspace[0], (-2, -1)), -1, 32).to(torch.complex128)
    factor = torch.linalg.inv(torch.linalg.cholesky(found.covariance))
    white = torch.einsum("cd,dyx->cyx", factor, image)
    maps = torch.einsum("cd,dyx->cyx", factor, found.sensitivities[0].to(torch.complex128))
    combined = ((maps.conj() * white).sum(0) / maps.norm(dim=0)).abs()
    torch.testing.assert_close(found.image[0], combined.float(), rtol=1e-4, atol=1e-3)


def test_the_mean_signal_to_noise_ratio_is_as_asked():
    found = simulate(small(snr=17.0))
    inverse = torch.linalg.inv(found.covariance)
    maps = found.sensitivities[0].to(torch.complex128)
    ratio = torch.einsum("cyx,cd,dyx->yx", maps.conj(), inverse, maps).real.sqrt() * found.object[0]
    assert float(ratio[found.object[0] > 0.01].mean()) == pytest.approx(17.0, rel=1e-4)


def test_readouts_are_the_planned_lines_brighter_by_a_tenth_with_each_repetition():
    sampling = Sampling(lines=24, repetitions=3, slices=2, acceleration=2, reference_lines=6)
    found = simulate(small(sampling=sampling, snr=QUIET))
    data = torch.cat([part for _, part in found.readouts(7)])
    for row, line in enumerate(found.lines[::11]):
        clean = found.kspace[line["slice"], :, line["k1"]] * (1 + 0.1 * int(line["repetition"]))
        torch.testing.assert_close(data[11 * row], clean)


def test_a_slab_transforms_to_its_planes():
    sampling = Sampling(lines=24, partitions=5)
    found = simulate(small(sampling=sampling, snr=QUIET))
    planes = to_image(found.kspace, (0,))
    for index in range(5):
        alone = scan._acquire(
            found.protocol,
            found.protocol.anatomy(index),
            ring(3, found.protocol.fov, found.protocol.height(index), 0.4 * 0.256),
        )
        assert (planes[index] - alone).norm() < 1e-5 * alone.norm()


def test_coils_around_a_slab_encode_along_z():
    found = simulate(small(sampling=Sampling(lines=24, partitions=8), coils=8, snr=QUIET))
    maps = found.sensitivities[:, :, 12, 16]
    low, high = maps[1], maps[7]
    assert abs(torch.vdot(low, high)) < 0.7 * low.norm() * high.norm()


def test_an_asymmetric_echo_leaves_out_the_first_samples():
    whole, part = (simulate(small(snr=QUIET, echo=echo)) for echo in (1.0, 0.75))
    (_, full), (_, short) = next(whole.readouts()), next(part.readouts())
    assert short.shape[-1] == 48
    assert torch.equal(short, full[..., 16:])


def test_slices_differ():
    found = simulate(small(sampling=Sampling(lines=24, slices=2), snr=QUIET))
    assert (found.object[0] - found.object[1]).norm() > 0.2 * found.object[0].norm()


def test_the_noise_of_readouts_has_the_stated_covariance_and_of_noise_readouts_by_dwell_time():
    protocol = small(sampling=Sampling(lines=24, averages=40), snr=1.0, dwell=4e-6, noise_dwell=8e-6)
    found = simulate(protocol)
    quiet = simulate(small(sampling=Sampling(lines=24, averages=40), snr=QUIET))
    measured = torch.cat([part for _, part in found.readouts()])
    clean = torch.cat([part for _, part in quiet.readouts()])
    truth = found.covariance
    for noise, factor in ((measured - clean, 1.0), (found.noise(), 0.5)):
        flat = noise.permute(1, 0, 2).reshape(3, -1).to(torch.complex128)
        sampled = flat @ flat.mH / (2 * flat.shape[1])
        tolerance = 6 / math.sqrt(flat.shape[1])
        assert (sampled - factor * truth).abs().max() < tolerance * factor * truth.abs().max()


def test_equal_protocols_give_equal_samples_and_other_seeds_other_noise():
    first, again, other = (
        torch.cat([part for _, part in simulate(small(seed=seed)).readouts()]) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_infinite_signal_to_noise_ratio_means_no_noise():
    found = simulate(small(snr=QUIET))
    assert not found.noise().any()
    assert np.isfinite(found.image.numpy()).all()


@pytest.mark.parametrize("wrong", [{"oversampling": 3}, {"coils": 0}, {"snr": 0.0}, {"echo": 0.5}])
def test_impossible_protocols_are_refused(wrong):
    with pytest.raises(SimulationError):
        small(**wrong)
