"""A configuration of Gadgetron as the steps of a chain, by the table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from server.errors import ChainError
from server.gadgetron.classes import ABSENT_WRITERS, BRANCHES, GADGETS, MERGES, READERS, WRITERS
from server.gadgetron.nodes import Configuration, Elsewhere, Outside, Parallel, Part, Stream, read
from server.gadgetron.rules import Idle, Only, Rule, Sets, same, value_of
from server.gadgetron.table import BUCKETS, COMMUTING, FORKS, LAST, PARALLEL, RULES, SINGLE
from server.step import AnyStep, Fork, Step


def steps_of(text: str) -> list[AnyStep]:
    """The steps of a chain that is written as a configuration of Gadgetron.

    Raises ChainError for what is no configuration; for a class, property or value that Gadgetron does not
    have, with the nearest one; and for the gadgets, all of them, that it has and we do not.
    """
    configuration = read(text)
    work = _Work()
    _ends(configuration, work)
    work.stream(configuration.stream)
    if work.absent:
        raise ChainError(f"the configuration needs what is not here: {', '.join(dict.fromkeys(work.absent))}")
    return _arranged(work.steps)


@dataclass
class _Work:
    """The steps made so far, and what could not be made."""

    steps: list[AnyStep] = field(default_factory=list)
    met: list[str] = field(default_factory=list)
    """Classes that came so far."""

    absent: list[str] = field(default_factory=list)

    def stream(self, stream: Stream) -> None:
        for node in stream:
            match node:
                case Part():
                    self._part(node)
                case Elsewhere():
                    self.stream(node.stream)
                case Parallel():
                    self._parallel(node)
                case Outside():
                    self._outside(node)

    def _part(self, part: Part) -> None:
        rule = _rule(part)
        if rule is None:
            _known(part.kind, GADGETS, "gadget of Gadgetron")
            self.absent.append(part.kind)
            return
        if rule.behind and not set(rule.behind) & set(self.met):
            self.absent.append(f"{part.kind} without {' or '.join(rule.behind)} before it")
            return
        self.met.append(part.kind)
        self.steps += [Step(name, dict(parameters)) for name, parameters in rule.steps]
        self._set(part, rule)

    def _parallel(self, node: Parallel) -> None:
        """Streams that are one thing here; else branches of our own, for fans and merges of their kind."""
        kinds = tuple(sorted(each.kind for stream in node.streams.values() for each in _parts(stream)))
        for part, names, what in ((node.branch, BRANCHES, "branch"), (node.merge, MERGES, "merge")):
            _known(part.kind, names, f"{what} of Gadgetron")
        rule = PARALLEL.get((node.branch.kind, kinds, node.merge.kind))
        if rule is not None:
            self.steps += [Step(name, dict(parameters)) for name, parameters in rule.steps]
            for part in (node.merge, *(each for stream in node.streams.values() for each in _parts(stream))):
                self._set(part, rule)
        elif (node.branch.kind, node.merge.kind) in FORKS:
            self.steps.append(Fork({name: self._branch(stream) for name, stream in node.streams.items()}))
        else:
            self.absent.append(f"parallel {node.branch.kind} ... {node.merge.kind}")

    def _branch(self, stream: Stream) -> list[AnyStep]:
        inner = _Work(met=list(self.met), absent=self.absent)
        inner.stream(stream)
        return inner.steps

    def _outside(self, node: Outside) -> None:
        """Another program: it is given k-space and images in the form that stands at this place there."""
        if node.language not in ("", "python"):
            self.absent.append(f"external {node.module} in {node.language}")
            return
        said: dict[str, Any] = {"name": node.module or node.address, "configuration": node.configuration}
        said |= {"target": node.target} if node.target else {}
        said |= {"address": node.address} if node.address else {}
        said |= {"kspace": "bucket"} if self.met and self.met[-1] in BUCKETS else {}
        arrays = any(kind.startswith("GenericRecon") for kind in self.met) and SINGLE not in self.met
        self.steps.append(Step("External", {**said, "images": "array"} if arrays else said))

    def _set(self, part: Part, rule: Rule) -> None:
        values: dict[str, Any] = {}
        for name, text in part.properties.items():
            found = rule.properties.get(name)
            if found is None:
                _known(name, rule.properties, f"property of {part.kind}")
            if isinstance(found, Only) and not any(same(text, each) for each in found.values):
                self.absent.append(f"{part.kind}.{name} = {text!r} ({found.why})")
            try:
                _take(found, text, values)
            except ChainError as error:
                raise ChainError(f"{part.kind}.{name}: {error}") from None
        for where, value in values.items():
            gadget, _, parameter = where.partition(".")
            step = next(
                step for step in reversed(self.steps) if isinstance(step, Step) and step.name == gadget
            )
            step.parameters[parameter] = value  # type: ignore[index]


def _rule(part: Part) -> Rule | None:
    """The rule of the table, or the one that counts instead with these properties."""
    rule = RULES.get(part.kind)
    for (name, value), other in rule.instead.items() if rule else ():
        if same(part.properties.get(name, ""), value):
            return other
    return rule


def _parts(stream: Stream) -> list[Part]:
    return [node for node in stream if isinstance(node, Part)]


def _take(rule: Sets | Only | Idle | None, text: str, values: dict[str, Any]) -> None:
    """What a property's text sets, into ``values``."""
    if not isinstance(rule, Sets) or (value := value_of(rule.read, text)) is None:
        return
    if rule.index is not None:
        every = list(values.get(rule.where, rule.default))
        every[rule.index] = value
        value = every
    elif values.setdefault(rule.where, value) != value:
        raise ChainError(f"{text!r} differs from {values[rule.where]!r}, and both set {rule.where}")
    values[rule.where] = value


def _ends(configuration: Configuration, work: _Work) -> None:
    """Readers and writers: accepted when Gadgetron has them and we send what they write."""
    for kind in configuration.readers:
        _known(kind, READERS, "reader of Gadgetron")
    for kind in configuration.writers:
        _known(kind, WRITERS | ABSENT_WRITERS, "writer of Gadgetron")
        if kind in ABSENT_WRITERS:
            work.absent.append(kind)


def _known(name: str, names: Iterable[str] | Mapping[str, object], what: str) -> None:
    """Refuse a name that is none of these."""
    if name not in (known := list(names)):
        near = get_close_matches(name, known, n=2, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ChainError(f"no {what} is called {name!r}{hint}")


def _arranged(steps: list[AnyStep]) -> list[AnyStep]:
    """The steps where each costs least, and a chain that ends with noise as one that measures it."""
    for at in reversed(range(len(steps))):
        place = at
        while place + 1 < len(steps) and _name(steps[place + 1]) in COMMUTING.get(_name(steps[place]), ()):
            steps[place : place + 2] = steps[place + 1], steps[place]
            place += 1
    steps = [step for step in steps if not _idle(step)]
    if steps and _name(steps[-1]) in LAST:
        return [*(step for step in steps[:-1] if _name(step) != "DetectSaturation"), _last(steps[-1])]
    return steps


def _idle(step: AnyStep) -> bool:
    """A compression that keeps all channels."""
    return step == Step("CompressCoils", {"threshold": 0.0})


def _last(step: AnyStep) -> AnyStep:
    return Step(LAST[_name(step)], {})


def _name(step: AnyStep) -> str:
    return step.name if isinstance(step, Step) else ""
