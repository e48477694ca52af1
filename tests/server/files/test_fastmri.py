import h5py
import numpy as np
import pytest

from models.simulation.sampling import Sampling
from models.simulation.scan import Protocol, simulate
from server.acquisition import describe
from server.cli import main
from server.files.header import write_header
from server.files.images import read_images
from server.files.scan import read_scan


def volume(path, keep=slice(None), coils=3):
    """A file as the collection lays it out, of 2 slices of a simulated head; (k-space, true images)."""
    sampling = Sampling(lines=24, slices=2)
    protocol = Protocol(sampling=sampling, columns=32, coils=coils, snr=500.0, noise_readouts=0)
    made = simulate(protocol)
    kspace = made.kspace.numpy()
    masked = np.zeros_like(kspace)
    masked[:, :, keep] = kspace[:, :, keep]
    with h5py.File(path, "w") as file:
        stored = masked.transpose(0, 1, 3, 2)
        file["kspace"] = stored[:, 0] if coils == 1 else stored
        file["ismrmrd_header"] = write_header(describe(protocol, "x")).encode()
    return kspace, made.image.numpy()


@pytest.mark.parametrize("coils", [1, 3])
def test_a_volume_becomes_readouts_that_reconstruct(tmp_path, coils, capsys):
    _, true = volume(tmp_path / "a.h5", coils=coils)
    assert main(["convert", str(tmp_path / "a.h5"), "-o", str(tmp_path / "b.h5")]) == 0
    assert "neither positions nor directions nor times" in capsys.readouterr().err
    assert read_scan(tmp_path / "b.h5").readouts == 48
    assert main(["run", "cartesian_fft", str(tmp_path / "b.h5"), "-o", str(tmp_path / "c.h5")]) == 0
    (series,) = read_images(tmp_path / "c.h5")
    for index, data in enumerate(series.data):
        found, expected = np.abs(np.asarray(data)).reshape(24, 32), true[index]
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98


def test_lines_that_are_zero_are_left_out_and_told(tmp_path, capsys):
    kspace, _ = volume(tmp_path / "a.h5", keep=slice(1, None, 2))
    assert main(["convert", str(tmp_path / "a.h5"), "-o", str(tmp_path / "b.h5")]) == 0
    assert "12 lines of 24 are 0 and left out" in capsys.readouterr().err
    runs = list(read_scan(tmp_path / "b.h5").runs())
    head = np.concatenate([run.head for run in runs])
    assert head["idx"]["kspace_encode_step_1"].tolist() == [*range(1, 24, 2)] * 2
    data = np.concatenate([run.data for run in runs])
    assert np.array_equal(data[:12], kspace[0, :, 1::2].transpose(1, 0, 2))


def test_a_header_that_does_not_fit_is_refused(tmp_path, capsys):
    volume(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        short = file["kspace"][..., :20]
        del file["kspace"]
        file["kspace"] = short
    assert main(["convert", str(tmp_path / "a.h5"), "-o", str(tmp_path / "b.h5")]) == 1
    assert "kspace has 20 lines, but its header a matrix of 24" in capsys.readouterr().err
