FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY exporter ./exporter
COPY rules ./rules
COPY docs/runbooks ./docs/runbooks
RUN python -m venv /opt/runbook-exporter && /opt/runbook-exporter/bin/pip install --no-cache-dir '.[all]'

FROM python:3.13-slim
COPY --from=build /opt/runbook-exporter /opt/runbook-exporter
RUN useradd --system --create-home --home-dir /var/lib/runbook-exporter --uid 10420 runbook
USER runbook
ENV STATE_DIRECTORY=/var/lib/runbook-exporter
EXPOSE 10420
HEALTHCHECK --interval=30s --timeout=5s CMD ["/opt/runbook-exporter/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:10420/-/healthy', timeout=4)"]
ENTRYPOINT ["/opt/runbook-exporter/bin/runbook-exporter"]
# Inside a container the loopback would be the container's own; who may reach it is what `docker run -p` says.
CMD ["serve", "--web.listen-address=:10420"]
