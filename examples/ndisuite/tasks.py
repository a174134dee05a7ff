"""NDISuite's Celery application: recordings are transcribed by OpenAI, part by part.

A worker is started by `celery -A tasks worker -E`: without -E nobody knows how its tasks end. What the demo wants of it
stands in the file that NDISUITE_KNOBS names.
"""

# mypy: disable-error-code="untyped-decorator"

import json
import os
import random
import time
import urllib.error
import urllib.request
from pathlib import Path

from celery import Celery

OPENAI = os.environ.get("OPENAI_URL", "https://api.openai.com/v1")
KNOBS = Path(os.environ.get("NDISUITE_KNOBS", "/nonexistent"))
LIMIT = 20  # seconds that a part may take

app = Celery("ndisuite", broker=os.environ.get("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0"))
app.conf.update(
    worker_send_task_events=True,
    task_send_sent_event=True,
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 2},
    worker_redirect_stdouts=False,
)


def knob(name: str) -> float:
    """Return what the demo wants."""
    try:
        return float(json.loads(KNOBS.read_text(encoding="utf-8")).get(name, 0))
    except (OSError, ValueError):
        return 0.0


@app.task(name="ndisuite.transcribe", time_limit=LIMIT)
def transcribe(part: int) -> str:
    """Have one part of a recording transcribed."""
    if random.random() < knob("failing"):
        raise ValueError(f"part {part}: the format of the audio is not supported")
    return asked()


@app.task(name="ndisuite.generate_report", time_limit=LIMIT)
def generate_report() -> None:
    """Write a report; while the demo wants it to hang, it does not come to its end."""
    while knob("hanging"):
        time.sleep(0.5)


def asked() -> str:
    """Ask OpenAI; where that does not answer, the part waits for a later run."""
    request = urllib.request.Request(
        f"{OPENAI}/audio/transcriptions", b"audio", {"Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', '')}"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as answer:
            text: str = json.load(answer)["text"]
    except (urllib.error.URLError, OSError):
        return ""
    return text
