"""runbook-exporter: what an operations guide tells a person to check, shown to Prometheus."""

__version__ = "0.1.0"
