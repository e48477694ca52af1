"""The three examples of gadgetron-python, unmodified, as steps of a chain in a spawned server.

``SCANSIDE_PEER_GADGETRON_PYTHON`` is the interpreter of an environment with ``gadgetron`` (and ``numpy<2``).
"""

import json

import numpy as np
import pytest

from server.paths import configs
from tests.endtoend.conftest import serving
from tests.endtoend.scans import offline, said, scan, send
from tests.interop.conftest import peer

pytestmark = pytest.mark.interop

EXTERNAL = "- External: {{name: gadgetron.examples, target: {target}{more}}}\n"
KSPACE = "- RemoveOversampling\n- Accumulate\n"
IMAGE = "- Fourier\n- Combine: {method: rss}\n"
EXAMPLES = {
    "acquisitions": EXTERNAL.format(target="recon_acquisitions", more=""),
    "buffers": KSPACE + EXTERNAL.format(target="recon_buffers", more=""),
    "buckets": KSPACE + EXTERNAL.format(target="recon_buffers", more=", kspace: bucket"),
    "pass-through of readouts": EXTERNAL.format(target="pass_through", more="") + KSPACE + IMAGE,
    "pass-through of buffers": KSPACE + EXTERNAL.format(target="pass_through", more="") + IMAGE,
    "pass-through of images": KSPACE + IMAGE + EXTERNAL.format(target="pass_through", more=""),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    python = peer("SCANSIDE_PEER_GADGETRON_PYTHON")
    program = {"name": "gadgetron.examples", "python": str(python)}
    program["wire"] = ["recon_acquisitions", "recon_buffers", "pass_through"]
    folder = tmp_path_factory.mktemp("gadgetron") / "state"
    with serving(folder, external=json.dumps([program])) as address:
        yield address


@pytest.fixture(scope="module")
def simulated():
    return scan(columns=64, lines=64, slices=2, repetitions=2, noise_readouts=0)


@pytest.fixture(scope="module")
def expected(simulated):
    """The same mathematics done by us: crop along x, transform, root sum of squares."""
    return {
        (int(one.head["slice"]), int(one.head["repetition"])): one for one in offline("default", simulated)
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_gives_the_images_that_the_same_mathematics_gives(server, simulated, expected, name):
    answer, images = send(server, said(f"chain:\n{EXAMPLES[name]}", simulated))
    assert not answer.error
    assert len(images) == len(expected) == 4
    for image in images:
        other = expected[int(image.head["slice"]), int(image.head["repetition"])]
        largest = float(other.data.max())
        np.testing.assert_allclose(image.data, other.data, rtol=0, atol=2e-6 * largest)
        assert np.allclose(image.head["position"], other.head["position"])


def test_noise_that_the_example_whitens_with_itself_is_whitened_as_here(server):
    """recon_acquisitions takes every noise readout for the whole noise scan: one readout, one coil."""
    one = scan(columns=64, lines=64, coils=1, noise_readouts=1, seed=4)
    answer, (image,) = send(server, said(f"chain:\n{EXAMPLES['acquisitions']}", one))
    assert not answer.error
    chain = configs() / "cartesian_fft.yml"
    (other,) = offline(chain.stem, one)
    ratio = image.data.double() / other.data.double()
    inside = other.data > 0.1 * other.data.max()
    assert float((ratio[inside].std() / ratio[inside].mean()).abs()) < 1e-4
    assert 0.8 < float(ratio[inside].mean()) < 1.0, "the example's noise bandwidth is 0.793, the scan's is 1"


@pytest.mark.parametrize(
    ("file", "kspace"), [("acquisition", ""), ("bucket", "bucket"), ("buffer", "buffer")]
)
def test_the_examples_configurations_of_gadgetron_start_them(server, simulated, expected, file, kspace):
    """As Gadgetron's external_python_*_example.xml are built; written here, without the noise step."""
    steps = {"": [], "bucket": ["RemoveROOversamplingGadget", TRIGGER]}
    steps["buffer"] = [*steps["bucket"], "BucketToBufferGadget"]
    inner = "".join(f"<gadget><classname>{step}</classname></gadget>" for step in steps[kspace])
    target = "recon_buffers" if kspace else "recon_acquisitions"
    external = f'<external><execute name="gadgetron.examples" target="{target}" type="python"/></external>'
    text = f"<configuration>\n<version>2</version><stream>{inner}{external}</stream></configuration>"
    answer, images = send(server, said(text, simulated))
    assert not answer.error
    for image in images:
        other = expected[int(image.head["slice"]), int(image.head["repetition"])]
        np.testing.assert_allclose(image.data, other.data, rtol=0, atol=2e-6 * float(other.data.max()))


TRIGGER = "AcquisitionAccumulateTriggerGadget"


@pytest.mark.parametrize(
    ("chain", "says"),
    [
        (EXTERNAL.format(target="no_such", more=""), "may use no program"),
        (EXTERNAL.format(target="recon_buffers", more=""), "Traceback"),
    ],
)
def test_what_goes_wrong_in_it_reaches_the_console(server, simulated, chain, says):
    answer, images = send(server, said(f"chain:\n{chain}", simulated))
    assert says in answer.error
    assert not images
