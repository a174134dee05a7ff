"""Servers that stand-ins need, with all that is theirs in the application's folder, as any user."""

import os

from exporter.demo.application import HERE, Application, CannotError, program
from exporter.demo.asking import listens
from exporter.demo.part import Part

_NGINX = """
daemon off;
pid {folder}/nginx.pid;
worker_processes 1;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
}}
"""


def nginx(application: Application, port: int, http: str) -> Part:
    """Start nginx with these lines in its block `http`; nginx.pid is in <folder>/nginx."""
    found = _needed("nginx", "apt install nginx")
    folder = application.folder / "nginx"
    folder.mkdir()
    folder.chmod(0o755)
    file = folder / "nginx.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""
    file.write_text(user + _NGINX.format(folder=folder, http=http), encoding="utf-8")
    command = [found, "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(file)]
    return application.part("nginx", command, ready=lambda: listens(port))


def redis(application: Application, port: int, *arguments: str, name: str = "redis") -> Part:
    """Start a Redis that keeps nothing, with these further arguments."""
    found = _needed("redis-server", "apt install redis-server")
    command = [found, "--port", str(port), "--bind", HERE, "--save", "", "--dir", str(application.folder), *arguments]
    return application.part(name, command, ready=lambda: listens(port))


def _needed(name: str, remedy: str) -> str:
    found = program(name)
    if found is None:
        raise CannotError(f"{name} is not installed: {remedy}")
    return found
