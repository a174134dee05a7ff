"""Long looks at one file: what was found does not hold for another one in its place."""

from typing import Any

from exporter.collector import NotApplicable
from exporter.longlook import Found, LongLook


class FileLook(LongLook):
    """A look whose answer names the file, as `file`; where another one lies there, it is made again at once."""

    _hastened: Any = None

    def found_of(self, file: Any, stands: float) -> Found:
        """Return what was found of this file, or say why there is nothing."""
        found = self._found
        if found is None or found.value["file"] == file:
            return self.found(stands)
        if self._hastened != file:  # once: where it fails, it is tried again more and more seldom
            self._hastened = file
            self.hasten()
        raise NotApplicable(f"another file has taken its place since the last look ({self.name})", "wait for the next")
