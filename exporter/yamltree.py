"""YAML text to a tree of nodes that know their line and keep every scalar as it was written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import yaml

Event = Any  # PyYAML's; the classes are known only once yaml is imported, so they are told apart by name

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 50
_TOO_DEEP: Final = f"lists and mappings are nested more than {MAX_DEPTH} deep"
MAX_NODES: Final = 100_000  # counted with every alias written out, so that aliases of aliases cannot explode

_TAG = "tag:yaml.org,2002:"
_KNOWN_TAGS = (None, "!", *(_TAG + kind for kind in ("str", "int", "float", "bool", "null", "map", "seq")))
_NULLS = ("", "~", "null", "Null", "NULL")

Complain = Callable[[int, str], None]
"""Takes the line and the text of a problem after which reading goes on."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value; `plain` where it stands without quotes."""

    text: str
    plain: bool
    line: int


@dataclass(frozen=True, slots=True)
class List:
    items: tuple["Node", ...]
    line: int


@dataclass(frozen=True, slots=True)
class Map:
    """Keys in the order of the file, each with its own line; merged keys (`<<`) are in it already."""

    entries: dict[str, tuple[int, "Node"]]
    line: int


Node = Scalar | List | Map


def is_null(node: Node) -> bool:
    """Whether nothing stands there, or YAML's word for that."""
    return isinstance(node, Scalar) and node.plain and node.text in _NULLS


class BrokenError(Exception):
    """The text cannot be read any further."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


class EmptyError(BrokenError):
    """There is no text."""


def parse(data: bytes, complain: Complain) -> Node:
    """Return the tree of a file with one YAML document; BrokenError where there is none to be had."""
    import yaml  # only here: it takes memory that an exporter without a configuration file can save

    text = _decode(data)
    if unprintable := yaml.reader.Reader.NON_PRINTABLE.search(text):
        character, line = unprintable.group(), text.count("\n", 0, unprintable.start()) + 1
        raise BrokenError(line, f"holds the control character U+{ord(character):04X}; remove it")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Composer(yaml.parse(text, loader), complain).document()
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(text, error) from None


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise BrokenError(1, f"the file is larger than {MAX_BYTES >> 20} MiB; is it a configuration?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BrokenError(line, f"the byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8") from None


def _syntax_error(text: str, error: "yaml.MarkedYAMLError") -> BrokenError:
    # str(error) would quote the line, which may hold a secret; its problem names but a character or an anchor
    mark = error.problem_mark or error.context_mark
    number = mark.line + 1 if mark else 1
    around = text.splitlines()[max(0, number - 2) : number]
    if any("\t" in line[: len(line) - len(line.lstrip())] for line in around):
        return BrokenError(number, "a line is indented with a tab; YAML is indented with spaces")
    problem = (error.problem or "cannot be understood").strip()
    if "nesting depth" in problem:  # libyaml's own limit, of 0.2.6 and newer, is met before ours
        return BrokenError(number, _TOO_DEEP)
    return BrokenError(number, f"is not YAML: {problem}; check the indentation, quotes and colons here and above")


class _Composer:
    """Builds the tree from the parser's events; its own, as PyYAML's would recurse without end and drop duplicates."""

    def __init__(self, events: Iterator[Event], complain: Complain) -> None:
        self.events = events
        self.complain = complain
        self.anchors: dict[str, tuple[Node, int] | None] = {}  # None while the anchored node is being built
        self.count = 0
        self.depth = 0

    def document(self) -> Node:
        next(self.events)  # StreamStart
        first = next(self.events)
        if _named(first, "StreamEnd"):
            raise EmptyError(1, "the file is empty; to run with every default, start without a configuration file")
        root = self.node(next(self.events))
        next(self.events)  # DocumentEnd
        after = next(self.events)
        if not _named(after, "StreamEnd"):
            raise BrokenError(_line(after), "a second document begins here; expected only one, so remove the `---`")
        return root

    def node(self, event: Event, line: int = 0) -> Node:
        """Return the node that begins with the event; a list or mapping stands at `line` where that is given."""
        if _named(event, "Alias"):
            return self.alias(event)
        before, anchor = self.count, event.anchor
        if anchor is not None:
            self.anchors[anchor] = None
        self.grow(1, event)
        if event.tag not in _KNOWN_TAGS:
            self.complain(_line(event), "a tag (`!`) is not understood; quote a text that begins with !")
        node = self.untagged(event, line or _line(event))
        if anchor is not None:
            self.anchors[anchor] = (node, self.count - before)
        return node

    def untagged(self, event: Event, line: int) -> Node:
        if _named(event, "Scalar"):
            return Scalar(self.text(event), not event.style and event.tag != _TAG + "str", _line(event))
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise BrokenError(line, _TOO_DEEP)
        node = self.list(line) if _named(event, "SequenceStart") else self.map(line)
        self.depth -= 1
        return node

    def text(self, event: Event) -> str:
        text: str = event.value
        # only escapes in quotes can make these, and neither a path nor a page can hold them
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise BrokenError(_line(event), "the text holds a character that cannot be written (\\0 or half of a pair)")
        return text

    def alias(self, event: Event) -> Node:
        # neither message names the anchor: it may be a password that begins with * and lacks its quotes
        if event.anchor not in self.anchors:
            raise BrokenError(_line(event), "`*` refers to no anchor above it; quote a text that begins with *")
        found = self.anchors[event.anchor]
        if found is None:
            raise BrokenError(_line(event), "an alias (`*`) stands inside of what it refers to; write its value out")
        node, size = found
        self.grow(size, event)
        return node

    def grow(self, size: int, event: Event) -> None:
        self.count += size
        if self.count > MAX_NODES:
            raise BrokenError(_line(event), f"the file has more than {MAX_NODES} values, aliases written out")

    def list(self, line: int) -> List:
        items = []
        while not _named(event := next(self.events), "SequenceEnd"):
            items.append(self.node(event))
        return List(tuple(items), line)

    def map(self, line: int) -> Map:
        own: dict[str, tuple[int, Node]] = {}
        merged: dict[str, tuple[int, Node]] = {}
        while not _named(event := next(self.events), "MappingEnd"):
            key = self.node(event)
            value = self.node(next(self.events), line=key.line)
            if not isinstance(key, Scalar):
                self.complain(key.line, "a list or mapping stands where a key is expected")
            elif key.text == "<<" and key.plain:
                self.merge(merged, value, key.line)
            elif key.text in own:
                self.complain(key.line, f"the key {key.text!r} stands here again, after line {own[key.text][0]}")
            else:
                own[key.text] = (key.line, value)
        return Map(merged | own if merged else own, line)

    def merge(self, merged: dict[str, tuple[int, Node]], value: Node, line: int) -> None:
        for node in value.items if isinstance(value, List) else (value,):
            if isinstance(node, Map):
                merged.update({key: entry for key, entry in node.entries.items() if key not in merged})
            else:
                self.complain(line, "`<<` merges a mapping, or a list of mappings, such as *common")


def _named(event: Event, name: str) -> bool:
    return type(event).__name__ == name + "Event"


def _line(event: Event) -> int:
    line: int = event.start_mark.line
    return line + 1
