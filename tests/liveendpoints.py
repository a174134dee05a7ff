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
  shop-health: {{collector: http, url: "{shop.url}/health", ca_file: {folder}/ca.pem, max_age: 500ms, report: {{}}}}
  shop-plain: {{collector: http, url: {plain.url}, tls_required: true, max_age: 500ms, critical: false}}
  shop-api: {{collector: http, url: {plain.url}/api, purpose: api, max_age: 500ms}}
  shop-untrusted: {{collector: http, url: {shop.url}, max_age: 500ms, critical: false}}
  shop-login:
    collector: http
    url: {plain.url}
    purpose: login
    max_age: 500ms
    steps: [{{name: form, url: /login}}, {{name: session, url: /session, method: POST, body: user=probe}}]
  shop-security:
    {{collector: http, url: {plain.url}, purpose: security, max_age: 500ms, expect: {{body_absent: [Traceback]}}}}
  shop-gone: {{collector: http, url: "http://127.0.0.1:{free_port()}/", max_age: 500ms}}
"""
