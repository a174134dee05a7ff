"""Endpoints over HTTP for dashboards and alerts: well, degraded, by TLS, without it, through a login, and gone."""

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from socket import socket
from typing import Final

import trustme

from tests.answering import answering, page
from tests.process import free_port

REPORT: Final = {
    "status": "degraded",
    "checks": [{"name": "database", "status": "healthy"}, {"name": "mail", "status": "unhealthy"}],
}


def _report(line: socket) -> None:
    made = datetime.now(UTC).isoformat()
    line.sendall(page(json.dumps(REPORT | {"timestamp": made}).encode(), Content_Type="application/json"))


@contextmanager
def endpoints(folder: Path) -> Iterator[str]:
    """Run the servers, and yield lines of targets that look at them."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with ExitStack() as stack:
        shop = stack.enter_context(answering(_report, context))
        plain = stack.enter_context(answering(page(b"Welcome", Last_Modified="Sun, 29 Nov 2026 10:00:00 GMT")))
        yield f"""
  shop-health: {{collector: http, url: "{shop.url}/health", ca_file: {folder}/ca.pem, interval: 2s, report: {{}}}}
  shop-plain: {{collector: http, url: {plain.url}, tls_required: true, interval: 2s, critical: false}}
  shop-api: {{collector: http, url: {plain.url}/api, purpose: api, interval: 2s}}
  shop-untrusted: {{collector: http, url: {shop.url}, interval: 2s, critical: false}}
  shop-login:
    collector: http
    url: {plain.url}
    purpose: login
    interval: 2s
    steps: [{{name: form, url: /login}}, {{name: session, url: /session, method: POST, body: user=probe}}]
  shop-security:
    {{collector: http, url: {plain.url}, purpose: security, interval: 2s, expect: {{body_absent: [Traceback]}}}}
  shop-gone: {{collector: http, url: "http://127.0.0.1:{free_port()}/", interval: 2s}}
"""
