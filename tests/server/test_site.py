import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import AnyUrl, Field

import server.parameters
import server.site
from gadgets.gadget import Gadget, Site
from server.chain import Step, describe, parse
from server.errors import AccessError
from server.registry import registry
from server.site import marked_fields, site_fields, wire_safe, wire_safe_parameters


@dataclass(frozen=True, kw_only=True)
class Inner:
    weights: Path = Path()


@dataclass(frozen=True, kw_only=True)
class External(Gadget):
    program: Annotated[str, Site] = ""
    arguments: Annotated[tuple[str, ...], Site()] = ()
    model: Path | None = None
    table: dict[str, Path] = field(default_factory=dict)
    inner: Inner = field(default_factory=Inner)
    peer: AnyUrl | None = None
    hostname: str = ""
    weights: Annotated[str, Site, Field(alias="w")] = ""
    threshold: float = 1.0
    pathology: str = ""


ALL = {"program", "arguments", "model", "table", "inner", "peer", "hostname", "weights"}


@pytest.fixture
def known(monkeypatch):
    for module in (server.site, server.parameters):
        monkeypatch.setattr(module, "find", lambda name: {**registry(), "External": External}[name])


def test_fields_of_the_site_are_known_by_mark_by_type_and_by_name():
    assert site_fields(External) == ALL
    assert marked_fields(External) == ALL - {"hostname"}


@pytest.mark.parametrize("name", [*sorted(ALL), "w"])
def test_a_field_of_the_site_is_refused_by_name_in_a_chain_off_the_wire(known, name):
    with pytest.raises(AccessError, match=rf"External\.{name} names something of this site"):
        wire_safe(parse(f"chain:\n- Combine\n- External: {{threshold: 2, {name}: /bin/sh}}\n"))


@pytest.mark.parametrize("name", ["External.program", "program", "externalprogram", "ExternalProgram"])
def test_a_field_of_the_site_is_refused_as_a_parameter_however_it_is_written(known, name):
    steps = [Step("External", {"program": "installed"})]
    with pytest.raises(AccessError, match=r"External\.program"):
        wire_safe_parameters(steps, {name: "/bin/sh"})


def test_all_else_is_let_through(known):
    wire_safe(parse("chain:\n- External: {threshold: 2, pathology: none}\n"))
    wire_safe_parameters([Step("External", {"program": "installed"})], {"threshold": 3, "config": "x"})


@pytest.mark.parametrize("kind", registry().values(), ids=lambda kind: kind.__name__)
def test_every_gadgets_paths_addresses_and_commands_are_marked(kind):
    assert site_fields(kind) == marked_fields(kind)
    for name, schema in describe(kind)["parameters"].items():
        if re.search("'format': '(path|file-path|directory-path|uri)'", str(schema)):
            assert name in marked_fields(kind), f"{kind.__name__}.{name} is a path: annotate it with Site"
