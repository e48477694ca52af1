"""A coil measurement in a connection of its own, found by the header of the next scan."""

import re

from server.files.header import write_header
from tests.endtoend.scans import said, send
from tests.server.dependencies.test_coils import COIL_ID, MEASURE, RECALL, error, scan


def test_the_flow_over_a_server(server):
    """Measured in a connection of its own, found by the header of the next, in SNR units as ever."""

    def xml(header, measurement, depends=""):
        noise = f"<dependencyType>SenMap</dependencyType><measurementID>{depends}</measurementID>"
        noise = f"<measurementDependency>{noise}</measurementDependency>" if depends else ""
        about = f"<measurementInformation><measurementID>{measurement}</measurementID>{noise}"
        return re.sub(
            "<measurementInformation>.*</measurementInformation>",
            f"{about}</measurementInformation>",
            write_header(header),
            flags=re.DOTALL,
        )

    _, header, items = scan(columns=32, pixel=4e-3)
    answer, _ = send(server, said(MEASURE, (xml(header, COIL_ID), items)))
    assert answer.error == ""
    assert any("coil measurement" in each and "is kept" in each for each in answer.texts)

    simulation, header, items = scan(acceleration=2, reference_lines=0)
    answer, found = send(server, said(RECALL, (xml(header, "9_9", COIL_ID), items)))
    assert answer.error == ""
    series = min(int(each.head["image_series_index"]) for each in found)
    main = [each for each in found if int(each.head["image_series_index"]) == series]
    assert len(main) == 2
    assert all(error(each, simulation) < 0.03 for each in main)
    assert all(re.fullmatch("[0-9a-f]{16}", each.meta["ScansideCoilMeasurement"]) for each in main)
    answer, _ = send(server, said(RECALL, (xml(header, "9_9", "absent"), items)))
    assert "no reference lines" in answer.error
    assert any("was not found" in each for each in answer.texts)
    assert "JANEDOE" not in "".join(answer.texts)
