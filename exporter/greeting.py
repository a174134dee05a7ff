"""What a person who has just started the exporter wants to read: where it is, and the lines for prometheus.yml."""

import socket
from collections.abc import Iterator, Sequence

from exporter.listening import host_of, port_of
from exporter.models import UNIX
from exporter.webconfig import WebConfig


def greeting(addresses: Sequence[str], web: WebConfig) -> str:
    """Return the greeting for these listen addresses and the web configuration in force."""
    reachable = list(dict.fromkeys(_reachable(address) for address in addresses if not address.startswith(UNIX)))
    scheme = "https" if web.context else "http"
    lines = [f"runbook-exporter is at {scheme}://{address}/" for address in reachable]
    lines += [f"runbook-exporter is at {address}" for address in addresses if address.startswith(UNIX)]
    lines += _for_prometheus(reachable[0], scheme, web) if reachable else _without_port()
    return "\n".join(lines) + "\n"


def _reachable(address: str) -> str:
    """Return an address that Prometheus can be told: of every interface, the name of this machine."""
    unspecific = host_of(address) in ("0.0.0.0", "::")  # noqa: S104  # compared only
    return f"{socket.gethostname()}:{port_of(address)}" if unspecific else address


def _without_port() -> list[str]:
    return ["", "Prometheus cannot scrape a unix socket: have a proxy pass it on, or listen on a port as well."]


def _for_prometheus(address: str, scheme: str, web: WebConfig) -> Iterator[str]:
    yield from ("", "Have Prometheus scrape it with these lines under scrape_configs: in prometheus.yml:", "")
    yield from ("  - job_name: runbook-exporter", "    scrape_interval: 15s")
    yield from _secured(scheme, web)
    yield from ("    static_configs:", f"      - targets: ['{address}']", "")
    yield "  # and for alerts that link to the runbook pages here, in the section global:"
    yield f"  #   external_labels: {{runbooks: '{scheme}://{address}/runbooks'}}"


def _secured(scheme: str, web: WebConfig) -> Iterator[str]:
    """Yield what Prometheus needs to be let in; the paths are the reader's to fill in."""
    settings = web.settings
    if settings is not None:
        yield f"    scheme: {scheme}"
        yield "    tls_config:"
        yield "      ca_file: CA.crt            # of who signed the exporter's certificate, or that itself"
        if settings.client_auth_type != "NoClientCert":
            yield "      cert_file: CLIENT.crt     # Prometheus' own"
            yield "      key_file: CLIENT.key"
    if web.users:
        quoted = next(iter(web.users)).replace("'", "''")
        yield "    basic_auth:"
        yield f"      username: '{quoted}'"
        yield "      password_file: PASSWORD   # a file that holds the password"
