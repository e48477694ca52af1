"""What a site says of its package: who made it, for whom it is meant, what it needs."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from server import __version__
from server.settings import SettingsError

CONFIG = ConfigDict(extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True, kw_only=True)
class Regulatory:
    """What the label says to a regulator; every entry stands there, and may be empty for research."""

    __pydantic_config__: ClassVar[ConfigDict] = CONFIG

    device_trade_name: str = "Scanside"
    production_identifier: str = __version__
    manufacturer_address: str = ""
    made_in: str = ""
    manufacture_date: str = ""
    """As YYYY/MM/DD."""

    material_number: str = ""
    gtin: str = ""
    udi: str = ""
    safety_advices: str = "For research. Not for diagnosis."
    special_operating_instructions: str = ""
    additional_relevant_information: str = ""


@dataclass(frozen=True, kw_only=True)
class About:
    """The facts of a package that no chain knows."""

    __pydantic_config__: ClassVar[ConfigDict] = CONFIG

    vendor: str
    """Short name of who makes the package; it is part of the file's name."""

    id: str | None = None
    """Short name of the package, letters and digits; the chain's when None."""

    name: str | None = None
    """What the console shows; the chain's name when None."""

    version: str = __version__
    information: str = "Image reconstruction. For research, not for diagnosis."
    license: str = "Apache-2.0"
    port: Annotated[int, Field(ge=1, le=65535)] = 9002
    memory: Annotated[int, Field(ge=1)] = 4096
    """What it needs [MB]."""

    cores: Annotated[int, Field(ge=1)] = 2
    adjustment_data: bool = True
    """Whether noise and coil measurements are sent too."""

    qualification: Literal["PRODUCT", "SERVICE", "RESEARCH"] = "RESEARCH"
    regulatory: Regulatory = field(default_factory=Regulatory)


def read_about(path: Path) -> About:
    """The facts in a TOML file.

    Raises SettingsError for a file that is no TOML, an unknown key or a wrong value; OSError.
    """
    try:
        return TypeAdapter(About).validate_python(tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name}: {error}") from None
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise SettingsError(f"{path.name}: {'; '.join(faults)}") from None
