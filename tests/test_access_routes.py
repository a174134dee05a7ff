"""Which endpoint a path belongs to, by the configured templates and without them; and mistakes in the settings."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.collectors.log.routes import AccessSettings, Routes, templated

ROUTES = Routes(
    ["/", "/api/videos", "/api/videos/{id}", "/api/videos/{video}/frames", "/api/videos/latest", "/api/{kind}/count",
     "/files/{name:path}", "/files/{id}/meta", "/files/{id}/old/{name:path}",
     "/admin/"]
)  # fmt: skip


@pytest.mark.parametrize(("path", "route"), [
    ("/", "/"),
    ("/api/videos", "/api/videos"),
    ("/api/videos/", "/api/videos"),
    ("/api/videos/17", "/api/videos/{id}"),
    ("/api/videos/a%20b", "/api/videos/{id}"),
    ("/api/videos/latest", "/api/videos/latest"),
    ("/api/videos/latest/frames", "/api/videos/{video}/frames"),
    ("/api/videos/17/frames", "/api/videos/{video}/frames"),
    ("/api/videos/17/frames/3", None),
    ("/api/videos/count", "/api/videos/{id}"),
    ("/api/books/count", "/api/{kind}/count"),
    ("/api/books", None),
    ("/files/a/b/c.txt", "/files/{name:path}"),
    ("/files", "/files/{name:path}"),
    ("/files/7/meta", "/files/{id}/meta"),
    ("/files/7/meta/more", "/files/{name:path}"),
    ("/files/7/old/a/b", "/files/{id}/old/{name:path}"),
    ("/files/7/olden", "/files/{name:path}"),
    ("/admin", "/admin/"),
    ("/Admin", None),
    ("//api/videos", "/api/videos"),
])  # fmt: skip
def test_of_the_routes_that_fit_the_one_that_names_more(path: str, route: str | None) -> None:
    assert ROUTES.find(path) == route


@pytest.mark.parametrize(("path", "template"), [
    ("/", "/"),
    ("/api/v2/oauth2/login.php", "/api/v2/oauth2/login.php"),
    ("/admin/login/", "/admin/login/"),
    ("/orders/7", "/orders/{id}"),
    ("/orders/12345/items/9", "/orders/{id}/items/{id}"),
    ("/2026-11-25/report", "/{id}/report"),
    ("/u/0f8fad5b-d9cb-469f-a165-70867728950e", "/u/{id}"),
    ("/c/deadbeef1234", "/c/{id}"),
    ("/users/ada@example.com/posts", "/users/{id}/posts"),
    ("/search/caf%C3%A9", "/search/{id}"),
    ("/t/" + "a" * 32, "/t/" + "a" * 32),
    ("/t/" + "a" * 33, "/t/{id}"),
    ("/static/app.3f2a91.js", "/static/{id}"),
    ("/\\x16\\x03", "/{id}"),
    ("//", "//"),
    ("/a" * 100, "/a" * 100),
    ("/a" * 101, "other"),
    ("", "other"),
    ("*", "other"),
    ("http://example.com/", "other"),
    ("example.com:443", "other"),
])  # fmt: skip
def test_what_looks_like_an_id_becomes_one(path: str, template: str) -> None:
    assert templated(path) == template


@settings(deadline=None)
@given(st.text(st.sampled_from("/ab09%@{}.-é\\\x00 "), max_size=60))
def test_a_template_has_no_blanks_and_is_its_own_template(path: str) -> None:
    template = templated(path.replace(" ", ""))
    assert " " not in template
    assert len(template) <= 200
    assert "@" not in template
    assert template == "other" or template.count("/") == path.count("/")


def test_the_tree_is_walked_once_however_many_routes_could_begin_so() -> None:
    """Each level doubles the ways to read a path: sixty levels would take for ever."""
    deep = Routes(["/a" * 60, "/{x}" * 60, *("/a" * n + "/{x}" * (60 - n) for n in range(1, 60))])
    assert deep.find("/a" * 59 + "/b") == "/a" * 59 + "/{x}"
    assert deep.find("/a" * 100_000) is None


GOOD = [
    AccessSettings(),
    AccessSettings(routes=("/", "/a/{id}", "/a-b.c/{x}/{y:path}", "/{rest:path}"), endpoints=0, buckets=(0.1,)),
]
BAD = [
    (AccessSettings(routes=("api",)), "routes", "'api' is no template; expected one such as /api/videos/{id}/frames"),
    (AccessSettings(routes=("/a b",)), "routes", "is no template"),
    (AccessSettings(routes=("/a?x=1",)), "routes", "is no template"),
    (AccessSettings(routes=("/v{n}/x",)), "routes", "is no template"),
    (AccessSettings(routes=("/a/{x:path}/b",)), "routes", "is no template"),
    (AccessSettings(routes=("/a/{}",)), "routes", "is no template"),
    (AccessSettings(routes=("/a/<id>",)), "routes", "is no template"),
    (AccessSettings(ignore=("health",)), "ignore", "is no template"),
    (AccessSettings(routes=("/a/{id}", "/a/{name}/")), "routes", "has one template twice"),
    (AccessSettings(endpoints=-1), "endpoints", "is out of bounds; expected 0 to 1000"),
    (AccessSettings(endpoints=1001), "endpoints", "is out of bounds"),
    (AccessSettings(buckets=()), "buckets", "do not ascend"),
    (AccessSettings(buckets=(0.0, 1.0)), "buckets", "do not ascend"),
    (AccessSettings(buckets=(1.0, 1.0)), "buckets", "do not ascend"),
]


@pytest.mark.parametrize("told", GOOD)
def test_nothing_is_wrong_with_good_settings(told: AccessSettings) -> None:
    assert list(told.check()) == []


@pytest.mark.parametrize(("told", "key", "problem"), BAD)
def test_every_mistake_is_found(told: AccessSettings, key: str, problem: str) -> None:
    ((where, text),) = told.check()
    assert (where, problem in text) == (key, True), text
