"""A chain is a list of gadgets; a YAML file is one way to write it down, Gadgetron's XML another."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from gadgets.cardiac.perfusion.kept import KeptFlow
from gadgets.data import ASIDE, Block, CoilMeasurement, Image, NoiseMeasurement, Text, Waveform
from gadgets.errors import ChainError
from gadgets.gadget import AnyGadget, Gadget, Parallel, check
from gadgets.gadget import flat as flat_gadgets
from server import paths
from server.gadgetron.translate import steps_of
from server.registry import adapter, find, registry
from server.step import AnyStep, Fork, Step, flat

__all__ = ["Step", "build", "catalogue", "chains", "describe", "named", "override", "parse"]

SOURCE: tuple[type, ...] = (Block, *ASIDE, Waveform, Image, NoiseMeasurement, CoilMeasurement, KeptFlow)
"""What may enter a chain: what a peer may send, and what earlier scans left for this one."""

SINK: tuple[type, ...] = (Image, Text, Waveform, *ASIDE, NoiseMeasurement, CoilMeasurement, KeptFlow)
"""What may reach the end of a chain: it is sent, kept for later scans, or counted and dropped by name."""

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

LIMIT, DEPTH = 64 << 10, 16
"""The longest [bytes] and deepest YAML text that is read."""


def named(name: str, folder: Path | None = None) -> list[AnyStep]:
    """The chain ``name`` of the installed ones; a suffix may be left out, and ``.xml`` stand for ``.yml``.

    Raises ChainError when there is none, or when the name is a path.
    """
    known = chains(folder)
    bare = name.removesuffix(".yml").removesuffix(".yaml").removesuffix(".xml")
    found = next((each for each in (name, bare, f"{bare}.xml") if each in known), None)
    if found is None:
        shown = name if name.isprintable() and len(name) <= 80 else f"{name[:40]!a}..."
        raise ChainError(f"no chain is called {shown!r}; known are {', '.join(sorted(known))}")
    return parse(known[found].read_text())


def chains(folder: Path | None = None) -> dict[str, Path]:
    """The files of the chains in ``folder``, by name; without one, of the site's and the installed ones.

    Chains in YAML go by their name alone, configurations of Gadgetron with ``.xml``.
    """
    found: dict[str, Path] = {}
    for each in [folder] if folder else paths.config_folders():
        for name, path in paths.chains(each).items():
            found.setdefault(name, path)
    return found


def parse(text: str) -> list[AnyStep]:
    """The steps of a chain written in YAML, or as a configuration of Gadgetron.

    Raises ChainError when it is too long, too deep, uses anchors or a DOCTYPE, or is no chain.
    """
    if len(text.encode()) > LIMIT:
        raise ChainError(f"the chain has {len(text.encode())} bytes, at most {LIMIT} are read")
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        return steps_of(text.lstrip("\ufeff"))
    try:
        _plain(text)
        content = yaml.load(text, Loader=LOADER)
    except (yaml.YAMLError, RecursionError) as error:
        raise ChainError(f"malformed YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or not isinstance(content.get("chain"), list):
        raise ChainError("a chain is YAML with the key 'chain' and a list of gadgets under it")
    if unknown := sorted(set(map(str, content)) - {"chain"}):
        raise ChainError(f"a chain has only the key 'chain', found also {', '.join(unknown)}")
    return [_step(entry) for entry in content["chain"]]


def _plain(text: str) -> None:
    """Refuse anchors and deep nesting before anything is built from the text."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ChainError("a chain may not use YAML anchors or aliases")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise ChainError(f"the chain is nested deeper than {DEPTH} levels")


def _step(entry: object) -> AnyStep:
    """``Grappa`` or ``Grappa: {kernel: [5, 4]}``, or ``parallel: {NAME: [...], NAME: [...]}``."""
    if isinstance(entry, str):
        return Step(entry, {})
    if isinstance(entry, dict) and len(entry) == 1:
        name, parameters = next(iter(entry.items()))
        if name == "parallel":
            return _fork(parameters)
        if isinstance(name, str) and isinstance(parameters, dict | None):
            return Step(name, {str(key): value for key, value in (parameters or {}).items()})
    raise ChainError(f"a step is a gadget's name, or a name with its parameters; found {entry!r}")


def _fork(entry: object) -> Fork:
    if not isinstance(entry, dict) or len(entry) < 2:
        raise ChainError("parallel has two or more branches, each a name and a list of steps")
    branches = {}
    for name, steps in entry.items():
        if not isinstance(steps, list):
            raise ChainError(f"branch {name!s:.40} of parallel is no list of steps")
        branches[str(name)] = [_step(each) for each in steps]
    return Fork(branches)


def override(steps: Sequence[AnyStep], values: Mapping[str, Any]) -> list[AnyStep]:
    """The steps with parameters replaced: ``{"Grappa.kernel": [5, 4]}``.

    Raises ChainError for a gadget that the chain does not have.
    """
    changed = [_copy(step) for step in steps]
    for key, value in values.items():
        name, dot, parameter = key.partition(".")
        met = [step for step in flat(changed) if step.name == name]
        if not dot or not met:
            raise ChainError(
                f"parameter {key!r}: the chain has {', '.join(each.name for each in flat(steps))}"
            )
        for step in met:
            step.parameters[parameter] = value  # type: ignore[index]
    return changed


def _copy(step: AnyStep) -> AnyStep:
    if isinstance(step, Fork):
        return Fork({name: [_copy(each) for each in branch] for name, branch in step.branches.items()})
    return Step(step.name, dict(step.parameters))


def build(
    steps: Iterable[AnyStep], begins: tuple[type, ...] = SOURCE, ends: tuple[type, ...] = SINK
) -> list[AnyGadget]:
    """The gadgets of a chain, checked: parameters by their declarations, types from one to the next.

    ``begins`` are the types that enter it, ``ends`` those that it may end with, beside Block.

    Raises ChainError for anything that cannot run.
    """
    chain = [_made(step) for step in steps]
    left = check(chain, begins)
    doubtful = {kind for gadget in flat_gadgets(chain) if gadget.open_ended for kind in gadget.signature()[1]}
    stuck = sorted(kind.__name__ for kind in left - doubtful if not issubclass(kind, (*ends, Block)))
    if stuck:
        raise ChainError(f"the chain ends with {', '.join(stuck)}, which cannot be sent; a gadget is missing")
    return chain


def _made(step: AnyStep) -> AnyGadget:
    if isinstance(step, Fork):
        return Parallel(branches={name: tuple(map(_made, steps)) for name, steps in step.branches.items()})
    kind = find(step.name)
    try:
        return adapter(step.name).validate_python(dict(step.parameters))
    except ValidationError as error:
        raise ChainError("; ".join(_fault(step, kind, each) for each in error.errors())) from None


def _fault(step: Step, kind: type[Gadget], error: Any) -> str:  # noqa: ANN401 - pydantic's error details
    where = ".".join(map(str, (step.name, *error["loc"])))
    if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = ", ".join(each.name for each in fields(kind)) or "none"
        return f"{where} is no parameter; {step.name} has {known}"
    return f"{where} = {error['input']!r}: {error['msg']}"


def describe(kind: type[Gadget]) -> dict[str, Any]:
    """What a gadget takes, gives and can be told, as plain values."""
    taken, given = kind.signature()
    return {
        "name": kind.__name__,
        "takes": [each.__name__ for each in taken],
        "gives": [each.__name__ for each in given],
        "does": (kind.__doc__ or "").strip().splitlines()[0],
        "parameters": adapter(kind.__name__).json_schema().get("properties", {}),
    }


def catalogue() -> list[dict[str, Any]]:
    """Every registered gadget, described."""
    return [describe(kind) for kind in registry().values()]
