"""SENSE against the truth, against its own defining equations, and against pseudo-replicas."""

import math

import pytest
import torch

from gadgets.arrays import to_image, to_kspace
from gadgets.data import CoilMaps, Image
from gadgets.errors import DataError
from gadgets.recon.sense import Sense
from gadgets.recon.sense.encoding import Encoding, solve
from gadgets.recon.sense.noise import spread
from gadgets.recon.sense.plan import Direct, Gradient, Unfolded, cheaper, plan
from gadgets.recon.sense.unfold import folding, unfold
from gadgets.recon.sense.window import window
from gadgets.testing import cartesian

REPLICAS = 160


def coil_maps(maps, number=0, **fields):
    return CoilMaps(data=maps[None, :, None], encoding=0, slice=number, **fields)


def run(items, scan, **fields):
    return list(Sense(**fields).process(iter(items), scan))


def whole(maps, there, ridge):
    """(A^H W A + ridge)^-1 A^H W as one matrix [x, y, coil and k1], by definition."""
    _, height, _ = maps.shape
    transform = to_kspace(torch.eye(height, dtype=torch.complex128))
    encode = transform.T[None, :, :, None].movedim(-1, 0) * maps.permute(2, 0, 1)[:, :, None, :]
    encode = encode.flatten(1, 2)
    weights = there.double().repeat(len(maps))
    normal = encode.mH @ (weights[:, None] * encode) + ridge * torch.eye(height)
    return torch.linalg.solve(normal, encode.mH * weights)


@pytest.mark.parametrize(("acceleration", "offset"), [(1, 0), (2, 1), (3, 2), (4, 0)])
def test_without_noise_lattices_unfold_to_the_object(phantom, acceleration, offset):
    sampled = phantom.pattern(acceleration, offset=offset)
    items = [coil_maps(phantom.maps), phantom.kspace(phantom.lines, sampled)]
    (image,) = run(items, phantom.scan(acceleration))
    scale = 1 / math.sqrt(acceleration)
    assert image.meta["ScansideSense"] == "unfolding"
    assert image.meta["ScansideScale"] == pytest.approx(scale)
    torch.testing.assert_close(image.data[0, 0].abs(), phantom.object * scale, atol=0.1, rtol=0)


def test_embedded_reference_lines_are_used_and_solved_exactly(phantom):
    sampled = phantom.pattern(3, 12)
    items = [coil_maps(phantom.maps), phantom.kspace(phantom.lines, sampled)]
    for fields in ({}, {"gfactor": True}):
        image, *_ = run(items, phantom.scan(3), **fields)
        assert image.meta["ScansideSense"] == "direct"
        truth = phantom.object * math.sqrt(24 / 48)
        assert image.meta["ScansideScale"] == pytest.approx(math.sqrt(24 / 48))
        torch.testing.assert_close(image.data[0, 0].abs(), truth, atol=0.15, rtol=0)


@pytest.mark.parametrize("ridge", [1e-3, 0.1])
def test_all_ways_solve_the_same_equations(phantom, white, ridge):
    """Unnormalised maps, averages, and a region without maps: against the inverse of the whole matrix."""
    maps = phantom.maps * (1 + phantom.grid()[0])
    maps[:, :6] = 0
    for sampled in (2 * phantom.pattern(3, offset=1), phantom.pattern(3, 12) + phantom.pattern(48, 6)):
        lines = to_image(white(phantom.coils, 48, 32))[:, None] * (sampled > 0)[:, None]
        inverse = whole(maps.to(torch.complex128), sampled, ridge)
        flat = lines[:, 0].permute(2, 0, 1).flatten(1).to(torch.complex128)
        expected = (inverse @ flat[..., None])[..., 0].T.to(torch.complex64)
        sets, some = maps[None, :, None], sampled[None]
        encoding = Encoding(maps=sets, weights=some.float())
        slow = solve(encoding, encoding.adjoint(lines), ridge, iterations=300, tolerance=1e-7)
        found = [encoding.unlay(slow), plan(sets, some, ridge, frames=1, exact=True).image(lines)]
        for image in found:
            torch.testing.assert_close(image[0, 0], expected, atol=2e-3, rtol=0)
            assert not bool((image[0, 0, :6] != 0).any())


@pytest.mark.parametrize("shape", [(1, 48, 32), (1, 45, 31), (6, 9, 8)])
@pytest.mark.parametrize("echo", [False, True])
def test_the_normal_operator_is_that_of_the_centred_transform(white, shape, echo):
    """An asymmetric echo couples the columns, too."""
    depth, height, width = shape
    maps, image = white(2, 3, *shape), white(2, *shape)
    weights = torch.zeros(depth, height)
    weights[:, ::2] = 1
    weights[depth // 2, 3:9] = 2
    if depth > 1:
        weights[1::3] = 0
    axes = (-2,) if depth == 1 else (-3, -2)
    if echo:
        weights = weights[..., None].repeat(1, 1, width)
        weights[..., : width // 3] = 0
        axes = (*axes, -1)
    encoding = Encoding(maps=maps, weights=weights)
    assert encoding.axes == axes
    full = weights if echo else weights[..., None]
    every = axes if echo else (-3, -2)
    lines = to_kspace((maps * image[:, None]).sum(0), every)
    expected = (maps.conj() * to_image(lines * full, every)).sum(1)
    found = encoding.unlay(encoding.normal(encoding.lay(image)))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(encoding.unlay(encoding.adjoint(lines)), expected, atol=1e-4, rtol=1e-4)


def test_an_axis_with_all_its_lines_is_free_and_solved_all_the_same(white):
    """A volume accelerated along k1 only, and a plane with an asymmetric echo only."""
    maps, image = white(1, 4, 3, 8, 10), white(1, 3, 8, 10)
    sampled = torch.zeros(3, 8, dtype=torch.int32)
    sampled[:, ::2] = sampled[:, 3:6] = 1
    lines = to_kspace(maps[0] * image[0], (-3, -2)) * sampled[..., None]
    way = plan(maps, sampled, 0.0, frames=1, exact=False)
    assert way.encoding.axes == (-2,)
    torch.testing.assert_close(way.image(lines), image, atol=1e-2, rtol=1e-2)
    echo = (torch.arange(10) > 2).float().expand(3, 8, 10)
    encoding = Encoding(maps=maps, weights=echo)
    assert encoding.axes == (-1,)
    lines = to_kspace(maps[0] * image[0], (-3, -2, -1)) * echo
    found = encoding.unlay(solve(encoding, encoding.adjoint(lines), iterations=100))
    torch.testing.assert_close(found, image, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("shift", [0, 1])
def test_planes_accelerated_along_both_axes_unfold_with_and_without_caipi_shift(white, shift):
    maps, image = white(1, 8, 8, 12, 5), white(1, 8, 12, 5)
    there = torch.zeros(8, 12, dtype=torch.bool)
    for row, k2 in enumerate(range(1, 8, 2)):
        there[k2, (1 + row * shift) % 2 :: 2] = True
    fold = folding(there)
    assert fold.acceleration == 4
    lines = to_kspace(maps[0] * image[0], (-3, -2)) * there[..., None]
    torch.testing.assert_close(unfold(maps, fold).image(lines), image, atol=1e-4, rtol=1e-4)


def test_a_volume_with_reference_lines_has_a_noise_map_when_it_is_asked_for(phantom, white):
    """From the lattice alone, whose noise is known exactly; scattered lines have none, and that is said."""
    maps = white(1, 8, 4, 8, 6)
    sampled = torch.zeros(4, 8, dtype=torch.int32)
    sampled[:, 1::2] = sampled[1:3, 2:6] = 1
    lines = to_kspace(maps[0], (-3, -2)) * (sampled > 0)[..., None]
    over = window(sampled, phantom.scan(2).encodings[0])
    way = plan(maps, sampled, 0.0, frames=1, exact=True, steps=(1, 2))
    assert int(way.lattice.sum()) == 16
    torch.testing.assert_close(way.image(lines), torch.ones(1, 4, 8, 6) + 0j, atol=1e-3, rtol=0)
    assert bool((spread(way.correlated(), (4, 8, 6), over).real > 0).all())
    sampled[0, 1] = 0
    with pytest.raises(DataError, match="no noise map of a volume whose lines are no lattice"):
        plan(maps, sampled, 0.0, frames=1, exact=True, steps=(1, 2)).correlated()


def test_what_is_no_lattice_does_not_unfold(phantom):
    assert folding(phantom.pattern(2, 12)[None] > 0) is None
    assert folding(phantom.pattern(5)[None] > 0) is None
    assert folding(torch.zeros(1, 8, dtype=torch.bool)) is None
    shuffled = torch.zeros(1, 8, dtype=torch.bool)
    shuffled[0, [0, 1, 4, 5]] = True
    assert folding(shuffled) is None


@pytest.mark.parametrize(("acceleration", "reference", "cut"), [(2, 0, 0), (3, 0, 0), (2, 0, 5), (5, 0, 0),
                                                                (3, 12, 0), (2, 12, 6)])  # fmt: skip
def test_the_noise_map_is_that_of_pseudo_replicas(phantom, white, acceleration, reference, cut):
    """Partial coverage of k-space and accelerations that do not divide the matrix included."""
    sampled = phantom.pattern(acceleration, reference)
    sampled[:cut] = sampled[48 - cut :] = 0
    scan = phantom.scan(acceleration)
    if cut:
        from gadgets.scan import Limit

        limits = {"kspace_encode_step_1": Limit(minimum=cut, maximum=47 - cut, center=24)}
        scan = phantom.scan(acceleration, limits=limits)
    noises = [white(6, 48, 32) for _ in range(REPLICAS)]
    items = [coil_maps(phantom.maps), *(phantom.kspace(noise, sampled) for noise in noises)]
    first, gfactor, *rest = run(items, scan, gfactor=True)
    assert gfactor.role == "gfactor"
    images = torch.stack([first.data[0, 0], *(image.data[0, 0] for image in rest)])
    ratio = (images.abs().square().mean(0) / 2).sqrt() / gfactor.data[0, 0]
    assert float(ratio.mean()) == pytest.approx(1, abs=0.01)
    blocks = ratio.reshape(6, 8, 4, 8).square().mean((1, 3)).sqrt()
    assert float((blocks - 1).abs().max()) < 0.05


def test_a_full_scan_has_unit_noise_and_so_has_an_asymmetric_echo(phantom, white):
    noise = white(phantom.coils, 48, 32)
    items = [coil_maps(phantom.maps), phantom.kspace(noise, phantom.pattern())]
    image, gfactor = run(items, phantom.scan(), gfactor=True)
    torch.testing.assert_close(gfactor.data, torch.ones(1, 1, 48, 32), atol=1e-4, rtol=0)
    assert float(image.data.abs().square().mean() / 2) ** 0.5 == pytest.approx(1, abs=0.03)
    noise[..., :8] = 0
    notes = {"ScansideSampledX": (-0.5, 1.0)}
    items[1] = phantom.kspace(noise, phantom.pattern(), notes=notes)
    image, gfactor = run(items, phantom.scan(), gfactor=True)
    torch.testing.assert_close(gfactor.data, torch.ones(1, 1, 48, 32), atol=1e-4, rtol=0)
    assert float(image.data.abs().square().mean() / 2) ** 0.5 == pytest.approx(1, abs=0.03)


def test_partial_coverage_is_solved_on_its_window_and_zero_filled(phantom):
    from gadgets.scan import Limit

    sampled = phantom.pattern(2)
    sampled[:8] = sampled[40:] = 0
    limits = {"kspace_encode_step_1": Limit(minimum=8, maximum=39, center=24)}
    scan = phantom.scan(2, limits=limits)
    over = window(sampled[None], scan.encodings[0])
    assert (over.k1.first, over.k1.points, over.k1.kept) == (8, 32, range(8, 40))
    items = [coil_maps(phantom.maps), phantom.kspace(phantom.lines, sampled)]
    image, gfactor = run(items, scan, gfactor=True)
    kept = phantom.pattern()
    kept[:8] = kept[40:] = 0
    lines = to_kspace(phantom.object, (-2,)) * kept[:, None]
    truth = to_image(lines, (-2,)) * image.meta["ScansideScale"]
    error = torch.linalg.vector_norm(image.data[0, 0].abs() - truth.abs()) / torch.linalg.vector_norm(truth)
    assert float(error) < 0.03
    all_lines = phantom.kspace(phantom.lines, phantom.pattern(2))
    _, full = run([coil_maps(phantom.maps), all_lines], phantom.scan(2), gfactor=True)
    assert float(gfactor.data.mean()) == pytest.approx(float(full.data.mean()), rel=0.01)


def test_two_maps_part_what_is_folded_inside_the_field_of_view(phantom):
    """Soft SENSE: an object twice as large as the field of view, reconstructed as one image of two parts."""
    wide = type(phantom)(height=96, width=32)
    lines = to_kspace(wide.object * wide.maps, (-2, -1))[:, ::2]
    upper, lower = wide.maps[:, 24:72], torch.cat([wide.maps[:, 72:], wide.maps[:, :24]], 1)
    second = lower - upper * (upper.conj() * lower).sum(0)
    second = second / torch.linalg.vector_norm(second, dim=0)
    maps = CoilMaps(data=torch.stack([upper, second])[:, :, None], encoding=0, slice=0)
    half = phantom.pattern(2)
    (image,) = run([maps, phantom.kspace(lines, half)], phantom.scan(2))
    (full,) = run([maps, phantom.kspace(lines, phantom.pattern())], phantom.scan(1))
    assert not image.data.is_complex()
    torch.testing.assert_close(image.data * math.sqrt(2), full.data, atol=0.5, rtol=0.01)
    single, _ = (one.data for one in (image, full))
    assert float(single.max()) > 10


@pytest.mark.parametrize("reference", [0, 12])
def test_the_noise_of_two_maps_is_that_in_phase_with_the_signal(phantom, white, reference):
    maps = torch.stack([phantom.maps, white(6, 48, 32)])[:, :, None]
    maps = maps / torch.linalg.vector_norm(maps, dim=1, keepdim=True)
    lines = 20 * phantom.lines + 500 * to_kspace(maps[1, :, 0], (-2, -1))
    sampled = phantom.pattern(2, reference)
    item = CoilMaps(data=maps, encoding=0, slice=0)
    frames = [phantom.kspace(lines + white(6, 48, 32), sampled) for _ in range(100)]
    found = run([item, *frames], phantom.scan(2), gfactor=True, regularization=1e-3)
    images = torch.stack([one.data[0, 0] for one in found if one.role == "image"])
    said = next(one.data[0, 0] for one in found if one.role == "gfactor")
    ratio = images.std(0) / said
    assert float(ratio.mean()) == pytest.approx(1, abs=0.02)


def test_companions_follow_and_the_gfactor_is_sent_when_it_changes(phantom, white):
    lines = phantom.lines + white(6, 48, 32)
    frames = [phantom.kspace(lines, phantom.pattern(2, offset=offset)) for offset in (0, 0, 1)]
    found = run([coil_maps(phantom.maps), *frames], phantom.scan(2), gfactor=True, snr=True)
    roles = [image.role for image in found]
    assert roles == ["image", "gfactor", "snr", "image", "snr", "image", "gfactor", "snr"]
    torch.testing.assert_close(found[2].data * found[1].data, found[0].data, atol=1e-3, rtol=1e-4)


def test_images_wait_for_their_maps_and_none_is_forgotten(phantom):
    first = phantom.kspace(phantom.lines, phantom.pattern(2))
    other = phantom.kspace(phantom.lines, phantom.pattern(2), number=1)
    answers = run([other, first, coil_maps(phantom.maps), coil_maps(phantom.maps, 1)], phantom.scan(2))
    assert [int(image.head["slice"]) for image in answers] == [0, 1]
    with pytest.raises(DataError, match="no coil maps for slice 1"):
        run([coil_maps(phantom.maps), other], phantom.scan(2))
    with pytest.raises(DataError, match="maps of slice 0 are"):
        run([coil_maps(phantom.maps[:4]), first], phantom.scan(2))


def test_the_way_is_chosen_by_what_it_costs(phantom):
    small = torch.zeros(1, 16, 1, 144, 192, dtype=torch.complex64)
    assert cheaper(small, 300)
    assert not cheaper(small, 1)
    maps = small + 1
    sampled = torch.zeros(1, 144, dtype=torch.int32)
    sampled[0, ::2] = sampled[0, 60:84] = 1
    kinds = [
        plan(maps, some, 1e-3, frames=frames, exact=exact)
        for some, frames, exact in (
            (torch.ones_like(sampled), 1, False),
            (sampled, 1, False),
        )
    ]
    assert [type(one) for one in kinds] == [Unfolded, Gradient]
    sampled = phantom.pattern(2, 12)[None]
    assert isinstance(plan(phantom.maps[None, :, None], sampled, 0.0, frames=1, exact=True), Direct)


def test_transformed_lines_give_the_same_image(phantom, white):
    lines, sampled = phantom.lines + white(6, 48, 32), phantom.pattern(2)
    found = [
        run([coil_maps(phantom.maps), one], phantom.scan(2))[0]
        for one in (
            phantom.kspace(lines, sampled),
            phantom.kspace(to_image(lines), sampled, transformed=True),
        )
    ]
    assert isinstance(found[0], Image)
    torch.testing.assert_close(found[0].data, found[1].data, atol=1e-2, rtol=1e-3)


def test_no_acquired_line_is_left_out_whatever_the_header_calls_their_lattice():
    """Random lines at an R of the header: a window for a lattice would lose those beyond its ends."""
    scan = cartesian((16, 64, 1), acceleration=(4, 1), calibration="embedded")
    random = torch.Generator().manual_seed(0)
    for _ in range(200):
        lines = torch.rand(64, generator=random) < 0.25
        lines[28:36] = True
        sampled = lines.to(torch.int32)[None]
        span = window(sampled, scan.encodings[0]).k1
        places = torch.nonzero(lines)[:, 0].tolist()
        assert all(span.first <= place < span.first + span.points for place in places)
        assert all(place in span.kept for place in places)
