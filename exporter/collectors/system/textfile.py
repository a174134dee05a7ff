"""Text files: metrics that other programs leave in a directory, shown as they are."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from exporter.collector import NotApplicable, Trouble, read
from exporter.collectors.system.host import Host
from exporter.collectors.system.textformat import Family, parse
from exporter.metric import CATALOGUE, Kind, Metric, Sample, Samples, gauge, is_declared
from exporter.patience import NoAnswer

_SOURCE = "the *.prom files of textfile_directory"
_NO_DIRECTORY = "create the directory, let the exporter's user read it, or correct host.textfile_directory"
_BAD_FILE = "correct the program that writes the file; node_textfile_scrape_error is 1 until then"
_LARGEST: Final = 16 << 20  # bytes; a file that grows without end is no text file of metrics

SCRAPE_ERROR = gauge(
    "node_textfile_scrape_error",
    "1 where a file was left out, or the directory cannot be read; else 0.",
    source=_SOURCE,
)
MTIME = gauge(
    "node_textfile_mtime_seconds",
    "When a file that is shown was last written, in Unix time.",
    labels=("file",),
    source=_SOURCE,
)


@read
def textfile(host: Host) -> Samples:
    """Metrics of the *.prom files in `textfile_directory`, as they stand there."""
    files = _seen(host)
    yield from files.samples
    for path, mtime in files.shown:
        yield MTIME(mtime, file=path)
    yield SCRAPE_ERROR(int(bool(files.refused)))


@read
def textfile_refused(host: Host) -> Samples:
    """No metrics: fails where files of `textfile_directory` were left out, with the reasons."""
    if not host.settings.textfile_directory:
        raise NotApplicable("textfile_directory is not set")
    files = _seen(host)
    if files.refused:
        missing = files.refused[0].startswith(f"{host.settings.textfile_directory}: ")
        raise Trouble("; ".join(files.refused), _NO_DIRECTORY if missing else _BAD_FILE)
    yield from ()


def _seen(host: Host) -> "TextFiles":
    """Return the files as they are in this round, looked at by whichever read comes first."""
    files = host.kept(TextFiles)
    if files.round != host.round:
        files.look(host)
        files.round = host.round
    if files.hangs:
        raise Trouble(
            f"{host.settings.textfile_directory} has not answered within mount_timeout",
            "see whether the server of its file system is reachable",
        )
    return files


@dataclass(slots=True, eq=False)
class _File:
    version: tuple[int, ...] = ()
    mtime: float = 0.0
    unread: bytes | None = None
    families: list[Family] = field(default_factory=list)
    reason: str = ""


class TextFiles:
    """The text files of a directory, read when they change."""

    def __init__(self) -> None:
        self.round = -1
        self.hangs = False
        self.samples: list[Sample] = []
        self.shown: list[tuple[str, float]] = []
        self.refused: list[str] = []
        self._files: dict[str, _File] = {}
        self._declared = 0
        self._metrics: dict[_Declaration, Metric] = {}

    def look(self, host: Host) -> None:
        """Bring samples, shown and refused up to date, unless the directory hangs."""
        files = _patiently(host, self._files)
        self.hangs = files is None
        if files is None:
            return
        for path, file in files.items():
            _understand(path, file)
        if files == self._files and self._declared == len(CATALOGUE):
            return
        self._files, self._declared = files, len(CATALOGUE)
        self.refused, self.shown = [], []
        page = _Page()
        for path, file in files.items():
            if reason := file.reason or page.objection(file.families):
                self.refused.append(f"{path}: {reason}")
            else:
                page.add(file.families)
                self.shown.append((path, file.mtime))
        self.samples = list(self._samples(page))

    def _samples(self, page: "_Page") -> Iterator[Sample]:
        known, self._metrics = self._metrics, {}
        for family in page.families.values():
            declaration = _declaration(family, "textfile_directory")
            metric = self._metrics[declaration] = known.get(declaration) or declaration.metric()
            for labels, value in family.series.items():
                values = dict(labels)
                yield Sample(metric, tuple([values.get(label, "") for label in metric.labels]), value)


class _Page:
    """Families of several files; a family may have series in each of them."""

    def __init__(self) -> None:
        self.families: dict[str, Family] = {}
        self._owners: dict[str, Family] = {}

    def objection(self, families: list[Family]) -> str:
        """Return why these cannot stand beside the ones that are there, or nothing."""
        for family in families:
            for name in family.names():
                owner = self._owners.get(name, family)
                if (owner.name, owner.kind) != (family.name, family.kind):
                    return f"{name} is a part of the {owner.kind} {owner.name} in another file"
                if is_declared(name):
                    return f"{name} is a metric of this program"
            if family.name in self.families and self.families[family.name].series.keys() & family.series.keys():
                return f"another file has the same series of {family.name}"
        return ""

    def add(self, families: list[Family]) -> None:
        for family in families:
            mine = self.families.setdefault(family.name, Family(family.name, family.kind, family.help))
            mine.series.update(family.series)
            self._owners.update(dict.fromkeys(family.names(), mine))


class _Declaration(NamedTuple):
    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    source: str

    def metric(self) -> Metric:
        """Return a metric of this program's kind, which is not in its catalogue."""
        return Metric(self.name, self.kind, self.help, labels=self.labels, source=self.source)


def _declaration(family: Family, source: str) -> _Declaration:
    names = {name for labels in family.series for name, _ in labels}
    return _Declaration(
        family.name, family.kind, family.help.strip() or "Metric read from a text file.", tuple(sorted(names)), source
    )


def _patiently(host: Host, known: Mapping[str, _File]) -> dict[str, _File] | None:
    """Return the files of the directory by path, or None where it hangs: its server may be gone."""
    directory = host.settings.textfile_directory
    if not directory:
        return {}
    answer = host.patience.run({TextFiles: partial(_files, directory, dict(known))})[TextFiles]
    if isinstance(answer, NoAnswer):
        return None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _files(directory: str, known: Mapping[str, _File]) -> dict[str, _File]:
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        return {directory: _File(reason=error.strerror or str(error))}
    paths = [os.path.join(directory, name) for name in names if name.endswith(".prom")]
    return {path: _load(path, known.get(path)) for path in paths}


def _load(path: str, known: _File | None) -> _File:
    """Return what stands in a file: the same object while the file is the same."""
    try:
        status = os.stat(path)
        version = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if known and known.version == version:
            return known
        if not stat.S_ISREG(status.st_mode):
            return _File(version, reason="not a regular file")
        with open(path, "rb") as file:
            text = file.read(_LARGEST + 1)
    except OSError as error:
        return _File(reason=error.strerror or str(error))  # without a version: it is tried again
    if len(text) > _LARGEST:
        return _File(version, reason=f"larger than {_LARGEST >> 20} MiB")
    return _File(version, status.st_mtime, text)


def _understand(path: str, file: _File) -> None:
    # not where it is read: what takes long there would count as hanging
    if file.unread is None:
        return
    text, file.unread = file.unread, None
    try:
        families = parse(text.decode())
        for family in families:
            _declaration(family, path).metric()  # its labels may be refused
        file.families = families
    except ValueError as error:
        file.reason = str(error)
