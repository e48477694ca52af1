import json

from server.identifiers import identifiers, without

HEADER = """<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
 <subjectInformation><patientName>DOE^JOHN</patientName><patientWeight_kg>70</patientWeight_kg>
  <patientID>AB-1234</patientID><patientBirthdate>1970-02-28</patientBirthdate>
  <patientGender>M</patientGender></subjectInformation>
 <studyInformation><accessionNumber>99887</accessionNumber></studyInformation>
 <measurementInformation><patientPosition>HFS</patientPosition><protocolName>doe knee</protocolName>
 </measurementInformation>
 <encoding><trajectory>cartesian</trajectory></encoding>
 <userParameters><userParameterString><name>operator</name><value>Miller</value></userParameterString>
 </userParameters>
</ismrmrdHeader>"""


def test_what_identifies_somebody_is_found_whole_and_in_parts():
    assert identifiers(HEADER) == {
        "DOE^JOHN",
        "DOE",
        "JOHN",
        "AB-1234",
        "1970-02-28",
        "99887",
        "doe knee",
        "doe",
        "knee",
        "Miller",
    }


def test_a_text_without_them_says_the_rest():
    said = "no chain is called 'doe^john_AB-1234' for Doe, operator MILLER"
    hidden = "no chain is called '[hidden]_[hidden]' for [hidden], operator [hidden]"
    assert without(said, identifiers(HEADER)) == hidden
    assert without("shoedoes", identifiers(HEADER)) == "shoedoes"


def test_the_state_of_the_contrast_is_no_identifier_unless_it_is_another_word():
    def told(value):
        parameter = "<userParameterString><name>ContrastState</name><value>{}</value></userParameterString>"
        return identifiers(
            HEADER.replace(" </userParameters>", parameter.format(value) + "</userParameters>")
        )

    assert told("rest") == identifiers(HEADER)
    assert told("Miller-Meier") == identifiers(HEADER) | {"Miller-Meier"}


def test_the_type_of_a_dependency_is_no_identifier():
    noise = "<dependencyType>Noise</dependencyType><measurementID>45_7</measurementID>"
    about = f"<measurementInformation><measurementDependency>{noise}</measurementDependency>"
    assert identifiers(f"<h>{about}</measurementInformation></h>") == {"45_7"}


def test_what_names_a_place_or_a_machine_is_found_too():
    system = "<systemVendor>ACME</systemVendor><institutionName>St. Else</institutionName>"
    xml = f"<h><acquisitionSystemInformation>{system}</acquisitionSystemInformation></h>"
    assert identifiers(xml) == {"St. Else", "St.", "Else"}


def test_letters_beyond_ascii_are_found_as_they_are_escaped():
    for text in ("für MÜLLER", ascii("Müller"), repr("Müller".encode()), json.dumps({"a": "Müller"})):
        assert "[hidden]" in without(text, {"Müller"})


def test_a_header_that_is_none_hides_nothing():
    assert identifiers("<a><!DOCTYPE b></a>") == frozenset()
    assert identifiers("") == frozenset()
    assert without("GRAPPA needs 10 lines", frozenset()) == "GRAPPA needs 10 lines"
