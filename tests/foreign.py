"""Metrics that others give and rules ask for: Prometheus, Alertmanager, and what counts requests in applications."""

from typing import Final

SELF_MONITORED: Final = {
    "up": ("gauge", ()),
    "alertmanager_notifications_failed_total": ("counter", ("integration",)),
    "prometheus_rule_evaluation_failures_total": ("counter", ("rule_group",)),
}
"""What Prometheus and Alertmanager say of themselves, where rules ask for it: kind and labels."""

MIDDLEWARES: Final = {
    "django_http_requests_latency_seconds_by_view_method_bucket": ("counter", ("method", "view", "le")),
    "django_http_requests_latency_seconds_by_view_method_sum": ("counter", ("method", "view")),
    "django_http_responses_total_by_status_view_method_total": ("counter", ("method", "view", "status")),
    "flask_http_request_duration_seconds_bucket": ("counter", ("method", "path", "status", "le")),
    "flask_http_request_duration_seconds_count": ("counter", ("method", "path", "status")),
    "flask_http_request_duration_seconds_sum": ("counter", ("method", "path", "status")),
    "starlette_request_duration_seconds_bucket": ("counter", ("app_name", "method", "path", "status_code", "le")),
    "starlette_request_duration_seconds_sum": ("counter", ("app_name", "method", "path", "status_code")),
    "starlette_requests_total": ("counter", ("app_name", "method", "path", "status_code")),
}
"""What libraries inside applications count requests as, where they do not call it as everybody does."""
