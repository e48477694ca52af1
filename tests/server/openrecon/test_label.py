"""An Open Recon package follows from the chain's declarations, and what it sends arrives in the gadgets."""

import base64
import json
import tarfile
import zipfile

import pytest

from server.chain import Step, build, named
from server.cli import main
from server.errors import ChainError
from server.openrecon.about import About, read_about
from server.openrecon.label import KEY, encoded, label
from server.openrecon.package import base_name, tag
from server.openrecon.parameters import declared, entries
from server.openrecon.rules import faults
from server.parameters import apply, from_text, to_text
from server.settings import SettingsError

ABOUT = About(vendor="site")
CHAINS = {
    "cartesian_fft": (),
    "cartesian_grappa": (
        "Prewhiten.bandwidth",
        "Prewhiten.missing",
        "Accumulate.trigger",
        "Grappa.kernel",
        "Grappa.put_back",
        "Combine.method",
        "Combine.gfactor",
    ),
}


def made(name="cartesian_fft"):
    return label(name, build(named(name)), ABOUT, CHAINS.get(name, ()))


@pytest.mark.parametrize("name", CHAINS)
def test_the_label_of_a_chain_breaks_no_rule(name):
    one = made(name)
    assert faults(one) == []
    assert json.loads(base64.b64decode(encoded(one))) == one
    assert one["parameters"][0]["default"] == name
    assert one["reconstruction"]["injector"] == "image"


@pytest.mark.parametrize("name", CHAINS)
def test_what_the_console_sends_back_unchanged_changes_nothing(name):
    parameters = {each["id"]: str(each["default"]) for each in made(name)["parameters"]}
    steps, ignored = apply(named(name), from_text(to_text(parameters)))
    assert ignored == []
    assert build(steps) == build(named(name))


def test_what_the_console_changes_arrives_in_the_gadget():
    sent = {
        "kernel": "[7, 2]",
        "putBack": "False",
        "gfactor": "False",
        "bandwidth": "0.8",
        "trigger": "slice",
    }
    ids = {each["id"].lower() for each in made("cartesian_grappa")["parameters"]}
    assert {each.lower() for each in sent} <= ids
    steps, ignored = apply(named("cartesian_grappa"), from_text(to_text(sent)))
    gadgets = {type(each).__name__: each for each in build(steps)}
    assert ignored == []
    assert gadgets["Grappa"].kernel == (7, 2)
    assert not gadgets["Grappa"].put_back
    assert gadgets["Prewhiten"].bandwidth == 0.8
    assert gadgets["Accumulate"].trigger == "slice"


def test_more_parameters_than_a_label_bears_must_be_chosen():
    steps = named("cartesian_grappa")
    chain = build([*steps[:2], Step("CompressCoils", {}), *steps[2:]])
    assert len(declared(chain)) > 13
    with pytest.raises(SettingsError, match="13 parameters .* choose with --parameter among .*Grappa.kernel"):
        entries(chain)
    with pytest.raises(SettingsError, match=r"no parameter Grappa\.kernal"):
        entries(chain, ["Grappa.kernal"])


def test_each_declared_type_has_its_own_in_the_label():
    found = {
        each["id"]: each for each in entries(build(named("cartesian_grappa")), CHAINS["cartesian_grappa"])
    }
    assert found["putBack"]["type"] == "boolean"
    assert found["method"]["type"] == "choice"
    assert [each["id"] for each in found["method"]["values"]] == ["adaptive", "rss"]
    assert (found["kernel"]["type"], found["kernel"]["default"]) == ("string", "")


def test_a_chain_without_images_has_no_package():
    with pytest.raises(ChainError, match="gives no image"):
        label("default_measurement_dependencies", build(named("default_measurement_dependencies")), ABOUT)


def broken(change):
    one = made()
    change(one)
    return faults(one)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one.pop("general"), "expected exactly general, reconstruction, parameters"),
        (lambda one: one.update(extra={}), "has general, reconstruction, parameters, extra"),
        (lambda one: one["general"].update(version="1.2"), "expected a semantic version"),
        (lambda one: one["general"].update(id="a_b"), "expected letters and digits"),
        (lambda one: one["general"]["regulatory_information"].pop("udi"), "regulatory_information lacks udi"),
        (lambda one: one["general"].pop("regulatory_information"), "general lacks regulatory_information"),
        (lambda one: one["general"].update(name={"de": "x"}), "no text in English"),
        (lambda one: one["reconstruction"].update(emitter="both"), "emitter is 'both'"),
        (lambda one: one["reconstruction"].update(port="9002"), "port is '9002'"),
        (lambda one: one["reconstruction"].pop("min_required_memory"), "lacks min_required_memory"),
        (lambda one: one["reconstruction"].update(transfer_protocol={}), "ISMRMRD, version 1.4.1"),
        (lambda one: one["reconstruction"].update(content_qualification_type="x"), "PRODUCT, SERVICE"),
        (lambda one: one["parameters"].pop(0), "one parameter is the choice config"),
        (lambda one: one["parameters"].append(dict(one["parameters"][0])), "the same id: config"),
        (lambda one: one["parameters"].extend([{"id": f"p{n}"} for n in range(14)]), "at most 14"),
        (lambda one: one["parameters"].append({"id": "put_back"}), "letters and digits alone"),
        (lambda one: one["parameters"][0].update(default="other"), "none of cartesian_fft"),
        (lambda one: one["parameters"].append(number(unit={"en": "long"})), "1 to 3 characters"),
        (lambda one: one["parameters"].append(number(default=3.0)), "not within 0.0 to 1.0"),
        (lambda one: one["parameters"].append(number(default=0.25)), "a multiple of 0.1"),
        (lambda one: one["parameters"].append(number(default=True)), "is no double"),
        (lambda one: one["parameters"].append(number(type="float")), "type 'float'"),
    ],
)
def test_each_broken_rule_is_named(change, said):
    assert any(said in each for each in broken(change)), broken(change)


def number(**changes):
    plain = {
        "id": "x",
        "label": {"en": "x"},
        "type": "double",
        "minimum": 0.0,
        "maximum": 1.0,
        "default": 0.5,
    }
    return plain | changes


def test_the_command_writes_label_dockerfile_and_archive(tmp_path, capsys):
    about = tmp_path / "about.toml"
    about.write_text('vendor = "site"\nversion = "1.2.3"\n[regulatory]\nmade_in = "DE"\n')
    saved, document = tmp_path / "image.tar", tmp_path / "about.pdf"
    with tarfile.open(saved, "w") as archive:
        archive.add(about, "manifest.json")
    document.write_bytes(b"%PDF-1.7\n")
    words = ["package", "openrecon", "cartesian_fft", "--about", str(about), "-o", str(tmp_path / "out")]
    assert main([*words, "--saved", str(saved), "--document", str(document)]) == 0
    one = json.loads((tmp_path / "out/OpenRecon_site_cartesianfft_V1.2.3.json").read_text())
    assert one["general"]["regulatory_information"]["made_in"] == "DE"
    lines = (tmp_path / "out/Dockerfile").read_text().splitlines()
    assert f'LABEL "{KEY}"="{encoded(one)}"' in lines
    assert tag(one) == "openrecon_site_cartesianfft:V1.2.3"
    with zipfile.ZipFile(tmp_path / "out" / f"{base_name(one)}.zip") as archive:
        assert archive.namelist() == [f"{base_name(one)}.tar", f"{base_name(one)}.pdf"]
        assert archive.read(f"{base_name(one)}.tar") == saved.read_bytes()
    assert "zip" in capsys.readouterr().out


def test_facts_that_are_wrong_or_unknown_are_refused_by_name(tmp_path):
    about = tmp_path / "about.toml"
    about.write_text('vendor = "site"\nmemory = 0\nowner = "x"\n')
    with pytest.raises(SettingsError, match="memory: .*owner: "):
        read_about(about)
