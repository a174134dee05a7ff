"""JMESPath expressions, with every mistake found before they are used."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from exporter.collector import Trouble
from exporter.jmescost import children, cost_problems

_LONGEST: Final = 2000  # the parser calls itself for each level of nesting
_INSTALL: Final = "install it with: pip install 'runbook-exporter[json]'"
_EXPECTED: Final = "expected a JMESPath, such as `queue.length` or `users[0].name`"
_REMEDY: Final = "compare the path with the document, and correct it"
_KINDS: Final = {
    str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object",
    type(None): "null",
}  # fmt: skip


def kind_of(value: Any) -> str:
    """Return what a person calls the type of a JSON value."""
    return _KINDS.get(type(value), type(value).__name__)


class Path:
    """A JMESPath, compiled."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._expression = _parsed(text)

    def find(self, document: Any) -> Any:
        """Return what stands there, None where nothing does; Trouble where its functions do not fit the document."""
        from jmespath.exceptions import JMESPathTypeError

        try:
            return self._expression.search(document)
        except JMESPathTypeError as error:
            if error.current_value is None:  # length(null): what is not known has no length either
                return None
            came = f"{error.function_name}() of {kind_of(error.current_value)}"
            raise Trouble(f"the path `{self.text}` does not fit what came: {came}", _REMEDY) from None
        except (ValueError, TypeError, ArithmeticError, RecursionError) as error:  # its other errors are ValueErrors
            came = type(error).__name__
            raise Trouble(f"the path `{self.text}` does not fit what came: {came}", _REMEDY) from None


@lru_cache(maxsize=4096)
def compiled(text: str) -> Path:
    """Return the path; ValueError says what is wrong with it, and what to do."""
    return Path(text)


def _parsed(text: str) -> Any:
    try:
        import jmespath
        from jmespath.exceptions import JMESPathError
    except ImportError as error:
        raise ValueError(f"paths need the library jmespath ({error}); {_INSTALL}") from None
    if not text.strip() or len(text) > _LONGEST:
        raise ValueError(f"is {'too long' if text.strip() else 'empty'}; {_EXPECTED}")
    try:
        expression = jmespath.compile(text)
    except (JMESPathError, RecursionError) as error:
        place = getattr(error, "lex_position", None)
        at = "" if place is None else f" at character {min(place, len(text)) + 1}"
        raise ValueError(f"is no JMESPath{at}; {_EXPECTED}") from None
    # what is nested too deep is found first, as looking for the others goes down by recursion
    if problem := next(chain(cost_problems(expression.parsed), _problems(expression.parsed)), ""):
        raise ValueError(problem)
    return expression


def _problems(node: Any) -> Iterator[str]:
    """Yield what the compiler lets pass: functions that are none, and wrong numbers of arguments."""
    from jmespath.functions import Functions

    if node["type"] == "function_expression":
        known = Functions.FUNCTION_TABLE.get(node["value"])
        if known is None:
            yield f"has a function {node['value']}(), which JMESPath does not know; expected one that it does"
        else:
            yield from _arity(node, known["signature"])
    for child in children(node):
        yield from _problems(child)


def _arity(node: dict[str, Any], signature: tuple[dict[str, Any], ...]) -> Iterator[str]:
    given, wanted = len(node["children"]), len(signature)
    variadic = bool(signature) and bool(signature[-1].get("variadic"))
    if given < wanted or (given > wanted and not variadic):
        yield f"gives {node['value']}() {given} arguments; expected {wanted}{' or more' if variadic else ''}"
