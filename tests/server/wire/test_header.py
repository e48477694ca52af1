import math

import pytest

from gadgets.errors import DataError
from server.errors import ProtocolError
from server.wire.header import read_header

HEADER = """<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
 <studyInformation><accessionNumber>{accession}</accessionNumber></studyInformation>
 {measurement}
 <acquisitionSystemInformation>
  <relativeReceiverNoiseBandwidth>0.8</relativeReceiverNoiseBandwidth>
  <coilLabel><coilNumber>1</coilNumber><coilName>B</coilName></coilLabel>
  <coilLabel><coilNumber>0</coilNumber><coilName>A</coilName></coilLabel>
 </acquisitionSystemInformation>
 <experimentalConditions><H1resonanceFrequency_Hz>63500000</H1resonanceFrequency_Hz></experimentalConditions>
 <encoding>
  <encodedSpace><matrixSize><x>512</x><y>256</y><z>1</z></matrixSize>
   <fieldOfView_mm><x>600</x><y>300</y><z>6</z></fieldOfView_mm></encodedSpace>
  <reconSpace><matrixSize><x>256</x><y>256</y><z>1</z></matrixSize>
   <fieldOfView_mm><x>300</x><y>300</y><z>6</z></fieldOfView_mm></reconSpace>
  <encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>255</maximum><center>128</center>
   </kspace_encoding_step_1></encodingLimits>
  <trajectory>{trajectory}</trajectory>
  <parallelImaging><accelerationFactor><kspace_encoding_step_1>2</kspace_encoding_step_1>
   <kspace_encoding_step_2>1</kspace_encoding_step_2></accelerationFactor>
   <calibrationMode>embedded</calibrationMode></parallelImaging>
  {extra}
 </encoding>
 <sequenceParameters><TR>5</TR><flipAngle_deg>90</flipAngle_deg></sequenceParameters>
 <userParameters><userParameterLong><name>EmbeddedRefLinesE1</name><value>24</value></userParameterLong>
 </userParameters>
</ismrmrdHeader>"""


def header(accession="1", measurement="", trajectory="cartesian", extra=""):
    return HEADER.format(accession=accession, measurement=measurement, trajectory=trajectory, extra=extra)


def test_a_header_becomes_a_scan_in_si_units():
    scan = read_header(header())
    encoding = scan.encoding()
    assert encoding.encoded.matrix == (512, 256, 1)
    assert encoding.recon.fov == pytest.approx((0.3, 0.3, 0.006))
    assert encoding.acceleration == (2, 1)
    assert encoding.calibration == "embedded"
    assert encoding.limits["kspace_encode_step_1"].center == 128
    assert scan.sequence.repetition_time == pytest.approx((0.005,))
    assert scan.sequence.flip_angle == pytest.approx((math.pi / 2,))
    assert scan.coil_labels == ("A", "B")
    assert scan.noise_bandwidth == pytest.approx(0.8)
    assert scan.parameters["EmbeddedRefLinesE1"] == 24
    assert scan.resonance == 63.5e6


def test_a_resonance_that_is_none_is_none():
    assert read_header(header().replace("63500000", "0")).resonance is None


@pytest.mark.parametrize(
    "xml",
    [
        header(accession="AB-12.x"),
        header(extra="<somethingNew unit='1'><deep/></somethingNew>"),
        header(trajectory="wobbly"),
        header(measurement="<measurementInformation/>"),
        header() + "\n",
        "﻿" + header()[len('<?xml version="1.0"?>\n') :],
        header().replace("<maximum>255</maximum>", ""),
        header().replace("<experimentalConditions>", "<x>").replace("</experimentalConditions>", "</x>"),
    ],
    ids=[
        "accession",
        "unknown element",
        "trajectory",
        "empty section",
        "newline",
        "mark",
        "limit",
        "conditions",
    ],
)
def test_what_scanners_write_does_not_lose_the_scan(xml):
    assert read_header(xml).encoding().encoded.matrix == (512, 256, 1)


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ("Dummy XML header", "no XML"),
        ("", "no XML"),
        ("<ismrmrdHeader", "malformed XML"),
        ("<ismrmrdHeader/>", "no encoding section"),
        ("<other/>", "no encoding section"),
    ],
)
def test_an_unusable_header_says_so_only_to_the_gadget_that_needs_it(xml, reason):
    scan = read_header(xml)
    with pytest.raises(DataError, match=reason):
        scan.encoding()


def test_any_doctype_is_refused():
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb">]><a>&b;</a>'
    with pytest.raises(ProtocolError, match="DOCTYPE"):
        read_header(bomb)


def test_deep_nesting_is_refused():
    with pytest.raises(ProtocolError, match="deeper than 64"):
        read_header("<a>" * 1000 + "</a>" * 1000)


def test_a_readout_of_an_encoding_space_that_the_header_lacks_is_named():
    with pytest.raises(DataError, match="names encoding space 3, but the header has 1"):
        read_header(header()).encoding(3)


def labels(*numbers):
    coil = "<coilLabel><coilNumber>{}</coilNumber><coilName>{}</coilName></coilLabel>"
    coils = "".join(coil.format(number, name) for number, name in zip(numbers, "ABC", strict=True))
    system = f"<acquisitionSystemInformation>{coils}</acquisitionSystemInformation>"
    return read_header(
        f'<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">{system}</ismrmrdHeader>'
    ).coil_labels


def test_coil_labels_are_in_the_order_of_the_channels():
    """Of the list where the numbers are receivers', as Siemens writes them; else by the channels' numbers."""
    assert labels(22, 21, 34) == ("A", "B", "C")
    assert labels(1, 2, 3) == ("A", "B", "C")
    assert labels(1, 2, 0) == ("C", "A", "B")
    assert labels(0, 0, 0) == ("A", "B", "C")


def test_what_identifies_patient_and_measurement_is_read_and_never_printed():
    scan = read_header("""<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
     <subjectInformation><patientID>DOE-1</patientID></subjectInformation>
     <measurementInformation><measurementID>1_DOE_2_3</measurementID><measurementDependency>
      <dependencyType>Noise</dependencyType><measurementID>1_DOE_2_2</measurementID></measurementDependency>
     </measurementInformation>
     <acquisitionSystemInformation><deviceID>d</deviceID></acquisitionSystemInformation>
    </ismrmrdHeader>""")
    assert (scan.patient_id, scan.measurement_id, scan.device) == ("DOE-1", "1_DOE_2_3", "d")
    assert scan.depends("noise") == ["1_DOE_2_2"]
    assert "DOE" not in repr(scan)
