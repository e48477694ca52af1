import numpy as np
import pytest

from gadgets.data import NoiseMeasurement
from gadgets.scan import Scan
from server.dependencies.noise import keep
from server.dependencies.query import answer
from server.dependencies.store import Store
from server.errors import ProtocolError
from server.wire.decode import decode_all
from server.wire.messages import DependencyQuery
from server.wire.meta import read_meta

LEGACY = """<?xml version="1.0" encoding="UTF-8"?>
<gadgetronStreamConfiguration xmlns="http://gadgetron.org/gadgetron">
 <writer><slot>1019</slot><dll>gadgetron_mricore</dll><classname>DependencyQueryWriter</classname></writer>
 <gadget><name>NoiseSummary</name><dll>gadgetron_mricore</dll><classname>{gadget}</classname>
  <property><name>noise_file</name><value>{file}</value></property></gadget>
</gadgetronStreamConfiguration>"""

NEW = """<configuration><version>2</version><stream><gadget><dll>gadgetron_mricore</dll>
<classname>{gadget}</classname><property name="noise_file" value="{file}"/></gadget></stream>
</configuration>"""

FILE = "GadgetronNoiseCovarianceMatrix_1_DOE_2_3"


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path, b"k" * 32)
    noise = NoiseMeasurement(
        covariance=np.diag([4.0, 9.0, 25.0]).astype(complex),
        variance=np.ones(3),
        samples=512,
        sample_time=2.5,
    )
    keep(noise, Scan(measurement_id="1_DOE_2_3", patient_id="DOE"), store)
    return store


def said(reply):
    (message,) = decode_all(reply)
    assert isinstance(message, DependencyQuery)
    return read_meta(message.meta)


@pytest.mark.parametrize("form", [LEGACY, NEW, "\ufeff\n" + NEW])
def test_a_stored_measurement_is_described(store, form):
    meta = said(answer(form.format(gadget="NoiseSummaryGadget", file=FILE), store))
    assert meta["status"] == "success"
    numbers = {name: float(value) for name, value in meta.items() if name != "status"}
    assert numbers.pop("mean_sigma") == pytest.approx(10 / 3)
    assert numbers == {"noise_dwell_time_us": 2.5, "min_sigma": 2, "max_sigma": 5, "channels": 3}
    assert meta["channels"] == "3"


@pytest.mark.parametrize("form", [LEGACY, NEW])
@pytest.mark.parametrize("file", ["GadgetronNoiseCovarianceMatrix_1_DOE_2_4", "", "NAMEOFNOISEFILE", "../x"])
def test_what_is_not_kept_here_is_told_as_failed(store, form, file):
    assert said(answer(form.format(gadget="NoiseSummaryGadget", file=file), store)) == {"status": "failed"}


def test_questions_that_name_no_measurement_are_told_as_failed(store):
    for name in (
        "gtquery.xml",
        "gtquery",
        "NoiseSummary.xml",
        LEGACY.format(gadget="DependencyQueryGadget", file=""),
    ):
        assert said(answer(name, store)) == {"status": "failed"}


def test_chains_are_no_questions(store):
    for name in (
        "cartesian_fft",
        "isalive.xml",
        "chain:\n- Prewhiten\n",
        NEW.format(gadget="NoiseAdjustGadget", file=""),
    ):
        assert answer(name, store) is None


def test_malformed_and_hostile_xml_is_refused(store):
    for text in ("<a>", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "<a>" * 100 + "</a>" * 100):
        with pytest.raises(ProtocolError):
            answer(text, store)
