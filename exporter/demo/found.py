"""The stand-ins that there are: each folder of examples/ with a demo.py."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from exporter import pack
from exporter.demo.application import Application, CannotError


def names() -> list[str]:
    return sorted(file.parent.name for file in pack.examples_folder().glob("*/demo.py"))


def folder(name: str) -> Path:
    """Return the folder of an application; CannotError where there is none of that name."""
    if name not in names():
        raise CannotError(f"there is no application {name}; there are {', '.join(names())}")
    return pack.examples_folder() / name


def load(name: str) -> type[Application]:
    """Return the class of an application."""
    module_name = f"examples.{name}.demo"
    if module_name not in sys.modules:
        _as_package(name)
        _import(module_name, folder(name) / "demo.py")
    for member in vars(sys.modules[module_name]).values():
        if isinstance(member, type) and issubclass(member, Application) and member.__module__ == module_name:
            return member
    raise CannotError(f"{module_name} has no subclass of Application")


def _as_package(name: str) -> None:
    """Have its other files found by `from .faults import FAULTS`, wherever the examples lie."""
    for package, place in (("examples", pack.examples_folder()), (f"examples.{name}", folder(name))):
        if package not in sys.modules:
            sys.modules[package] = ModuleType(package)
        sys.modules[package].__path__ = [str(place)]


def _import(name: str, file: Path) -> None:
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise CannotError(f"{file} is no module")
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def of_fault(fault: str) -> str:
    """Return the application that a fault such as `mem.lock` belongs to."""
    application, dot, _ = fault.partition(".")
    if not dot:
        raise CannotError(f"{fault} is no fault: a fault has its application before it, as mem.lock")
    folder(application)
    return application
