import pytest

from server.cli import main

CHAIN = """chain:
- Accumulate
- parallel:
    fast: [Grappa, Combine]
    plain: [Fourier, {Combine: {method: rss}}]
- Magnitude
"""


@pytest.fixture
def chain(tmp_path):
    (tmp_path / "mine.yml").write_text(CHAIN)
    return str(tmp_path / "mine.yml")


def test_every_installed_chain_can_be_built(capsys):
    assert main(["chains"]) == 0
    said = capsys.readouterr()
    assert not said.err
    assert (
        "Generic_Cartesian_Grappa.xml: DetectSaturation -> AlignEcho -> RemoveOversampling -> Prewhiten"
        in said.out
    )


def test_a_graph_has_the_branches_of_the_chain(chain, capsys):
    assert main(["chains", chain, "--graph"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()[1:]]
    assert lines == [
        "0[Accumulate] --> 1[Grappa]",
        "1[Grappa] --> 2[Combine]",
        "0[Accumulate] --> 3[Fourier]",
        "3[Fourier] --> 4[Combine]",
        "2[Combine] --> 5[Magnitude]",
        "4[Combine] --> 5[Magnitude]",
    ]


def test_a_chain_as_json_has_its_parameters_branch_by_branch(chain, capsys):
    import json

    assert main(["chains", chain, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found[1]["parallel"]["plain"][1]["Combine"]["method"] == "rss"


def test_a_configuration_of_gadgetron_is_shown_as_the_chain_that_it_is(tmp_path, capsys):
    gadget = "<gadget><classname>ComplexToFloatGadget</classname></gadget>"
    (tmp_path / "mine.xml").write_text(f"<configuration><stream>{gadget}</stream></configuration>")
    assert main(["chains", str(tmp_path / "mine.xml")]) == 0
    assert capsys.readouterr().out.strip() == "Magnitude()"
