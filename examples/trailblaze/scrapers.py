"""TrailBlaze's scrapers: they fetch calendars, and keep what they found in the cache. scrapers.py SITE FOLDER LOG

Pages are kept as HTML, what is read out of them as JSON beside it, and how that compares with the database in
comparison/. A real one runs once a day; this one all the time.
"""

import json
import re
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

MONTHS = ("2026-12", "2027-01", "2027-02", "2027-03")
EVENT = re.compile(r'<tr class="event"><td class="date">([^<]+)</td><td>([^<]+)</td></tr>')
PAUSE = 3.0  # seconds between two runs


class Scraper:
    """One scraper, with its log in lines of JSON."""

    def __init__(self, site: str, cache: Path, log: Path) -> None:
        self.site = site
        self.cache = cache
        self.log = log
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def say(self, level: str, message: str) -> None:
        line = {"timestamp": datetime.now(UTC).isoformat(), "level": level, "service": "scrapers", "message": message}
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def run(self) -> None:
        self.say("INFO", "aerc_calendar: started")
        try:
            counts = {month: self.fetched(month) for month in MONTHS}
        except ValueError as error:
            self.say("ERROR", f"aerc_calendar: failed: {error}")
            return
        self.put(self.cache / "comparison" / "events.json", json.dumps({"scraped": counts, "new": 0}))
        self.say("INFO", f"aerc_calendar: finished, {sum(counts.values())} events")

    def fetched(self, month: str) -> int:
        """Fetch one month, again and again until the site answers."""
        while True:
            try:
                return self.fetch(month)
            except (urllib.error.URLError, OSError) as error:
                self.say("WARNING", f"aerc_calendar: no answer, once more in a moment: {error}")
                time.sleep(PAUSE)

    def fetch(self, month: str) -> int:
        """Fetch one month; keep the page and its events."""
        with self.opener.open(f"{self.site}/calendar?month={month}", timeout=10) as answer:
            html = answer.read().decode()
        events = [{"date": date, "name": name} for date, name in EVENT.findall(html)]
        if not events:
            raise ValueError(f"no event in the page of {month}")
        self.put(self.cache / f"aerc_calendar_{month}.html", html)
        found = {"fetched_at": datetime.now(UTC).isoformat(), "events": events}
        self.put(self.cache / f"aerc_calendar_{month}.json", json.dumps(found))
        return len(events)

    def put(self, path: Path, text: str) -> None:
        """Replace a file as a whole, so that nobody reads half of it."""
        made = path.with_name(f".{path.name}.new")
        made.write_text(text, encoding="utf-8")
        made.replace(path)


def main(site: str, cache: Path, log: Path) -> None:
    (cache / "comparison").mkdir(parents=True, exist_ok=True)
    scraper = Scraper(site, cache, log)
    while True:
        scraper.run()
        time.sleep(PAUSE)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
