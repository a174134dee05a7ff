"""The web configuration's format: what is understood, and what is said of each mistake."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter import webconfig
from exporter.config import ConfigError
from exporter.setting import keys
from exporter.tls import TLSServer
from tests.process import ROOT, command
from tests.web import MUTUAL, PASSWORD, TLS, authority, hashed, users, write_pair


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pair(tmp_path)
    return tmp_path


def load(folder: Path, text: str) -> webconfig.WebConfig:
    (folder / "web.yml").write_text(text, encoding="utf-8")
    (folder / "web.yml").chmod(0o600)
    return webconfig.load(str(folder / "web.yml"))


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return [problem.removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_the_whole_format_is_understood(folder: Path) -> None:
    web = load(folder, f"""
tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ours.pem
  client_allowed_sans: [prometheus.example, 192.0.2.7]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [X25519]
http_server_config:
  http2: true
  headers:
    Content-Security-Policy: default-src 'self'
    X-Frame-Options: sameorigin
    X-Content-Type-Options: nosniff
    X-XSS-Protection: ""
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  alice: {hashed("one")}
  bob: {hashed("two")}
rate_limit:
  interval: 1m0.5s
  burst: 20
""")  # fmt: skip
    assert str(web) == "TLS 1.2 and 1.3 with client certificates, 2 users, 20 requests at once, then one in 1m500ms"
    assert web.rate.interval == 60.5
    assert set(web.headers) == {"Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options",
                                "Strict-Transport-Security"}  # fmt: skip
    assert web.files == tuple(str(folder / name) for name in ("web.yml", "server.crt", "server.key", "ours.pem"))
    [warning] = web.warnings
    assert "web.yml:14: http_server_config.http2: HTTP/2 is not spoken here" in warning


def test_keys_and_certificates_may_stand_in_the_file_itself(folder: Path) -> None:
    def block(name: str) -> str:
        return "|\n" + "".join(f"    {line}\n" for line in (folder / name).read_text().splitlines())

    web = load(folder, f"""
tls_server_config:
  cert: {block("server.crt")}
  key: {block("server.key")}
  client_ca: {block("ours.pem")}
  client_auth_type: VerifyClientCertIfGiven
""")  # fmt: skip
    assert str(web) == "TLS 1.2 and 1.3 with client certificates verified where given, no users"
    assert "tls_server_config.key: the secret itself stands in the configuration" in web.warnings[0]
    assert web.files == (str(folder / "web.yml"),)


@pytest.mark.parametrize("text", ["tls_server_config:\n", "basic_auth_users:\n", "rate_limit: {interval: 0}"])
def test_sections_may_be_empty(folder: Path, text: str) -> None:
    assert str(load(folder, text)) == "no TLS, no users"


@pytest.mark.parametrize(("text", "problem"), [
    ("tls_server_conf: {}", "web.yml:1: tls_server_conf: unknown key; did you mean tls_server_config?"),
    ("", "web.yml:1: the file is empty; write TLS or users into it, or leave --web.config.file out"),
    ("a: [", "web.yml:2: is not YAML"),
    ("tls_server_config:\n  cert_file: server.crt\n  key_fil: server.key",
     "web.yml:3: tls_server_config.key_fil: unknown key; did you mean key_file?"),
    ("tls_server_config: {min_version: TLS13}", "web.yml:1: tls_server_config.cert_file: is missing"),
    ("tls_server_config: {cert_file: server.crt}", "web.yml:1: tls_server_config.key_file: is missing"),
    ("basic_auth_users:\n  alice: wonderland",
     "web.yml:2: basic_auth_users.alice: is no bcrypt hash; expected what `htpasswd"),
    (f"basic_auth_users:\n  'a:b': $2y$04${'a' * 21}e{'a' * 31}",
     "web.yml:2: 'basic_auth_users.a:b': a name with a colon"),
    (f"basic_auth_users:\n  eve: $2y$10${'a' * 53}", "web.yml:2: basic_auth_users.eve: is no bcrypt hash"),
    (f"basic_auth_users:\n  eve: $2y$31${'a' * 21}e{'a' * 31}",
     "web.yml:2: basic_auth_users.eve: has the cost 31, which takes too long"),
    ("basic_auth_users: [alice]", "web.yml:1: basic_auth_users: is a list; expected a mapping"),
    ("http_server_config:\n  headers:\n    X-Frame-Option: deny",
     "web.yml:3: http_server_config.headers.X-Frame-Option: this header cannot be set; did you mean X-Frame-Options?"),
    ("http_server_config:\n  headers:\n    X-Frame-Options: allow",
     "web.yml:3: http_server_config.headers.X-Frame-Options: has a value that it cannot have; expected deny or "
     "sameorigin"),
    ('http_server_config:\n  headers: {Content-Security-Policy: "a\\r\\nX: b"}',
     "headers.Content-Security-Policy: holds characters that no header may"),
    ("rate_limit: {interval: 1s}", "web.yml:1: rate_limit.burst: lets nobody in"),
    ("rate_limit: {interval: 1, burst: 2}",
     "web.yml:1: rate_limit.interval: is '1', which is not a duration with its unit; expected a duration such "
     "as 1s or 100ms"),
    ("rate_limit: {interval: soon, burst: 2}", "rate_limit.interval: is 'soon'"),
])  # fmt: skip
def test_each_mistake_is_named_with_its_line_and_remedy(folder: Path, text: str, problem: str) -> None:
    assert any(found.startswith(problem) or problem in found for found in problems(folder, text)), problems(
        folder, text
    )


@pytest.mark.parametrize(("more", "problem"), [
    ("client_auth_type: RequireAnyClientCert",
     "3: tls_server_config.client_auth_type: is RequireAnyClientCert, which verifies nothing"),
    ("client_auth_type: RequestClientCert", "client_auth_type: is RequestClientCert, which verifies nothing"),
    ("client_auth_type: RequireAndVerify", "client_auth_type: is no policy; did you mean RequireAndVerifyClientCert?"),
    ("client_auth_type: RequireAndVerifyClientCert",
     "client_auth_type: needs the authority of the clients' certificates"),
    ("client_ca_file: ours.pem", "client_ca_file: has no effect without client_auth_type"),
    ("client_allowed_sans: [x]", "client_allowed_sans: has no effect on clients that need not show a certificate"),
    ("min_version: TLS10", "min_version: is TLS10, which is broken and not spoken here"),
    ("min_version: TLS14", "min_version: is no version; did you mean TLS13?"),
    ("min_version: TLS13, max_version: TLS12", "max_version: is below min_version"),
    ("cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]",
     "cipher_suites: there is no suite 'TLS_RSA_WITH_AES_128_CBC_SHA' that is held safe; did you mean"),
    ("cipher_suites: [TLS_AES_128_GCM_SHA256]", "cipher_suites: names no suite of TLS 1.2"),
    ("curve_preferences: [CurveP255]", "curve_preferences: there is no curve 'CurveP255'; did you mean CurveP"),
    ("curve_preferences: [X25519, CurveP256]", "curve_preferences: names several, of which Python can set but one"),
    ("client_ca_file: missing.pem, client_auth_type: RequireAndVerifyClientCert", "client_ca_file: '"),
    ("client_ca_file: server.key, client_auth_type: RequireAndVerifyClientCert",
     "client_ca_file: holds no certificate"),
])  # fmt: skip
def test_each_mistake_of_tls_is_named(folder: Path, more: str, problem: str) -> None:
    [found] = problems(folder, f"tls_server_config:\n  {{cert_file: server.crt, key_file: server.key,\n  {more}}}")
    assert problem in found
    assert "expected" in found or "did you mean" in found or "add" in found or "leave it out" in found


def test_certificates_that_cannot_be_used_are_named(folder: Path) -> None:
    [missing] = problems(folder, "tls_server_config: {cert_file: no.crt, key_file: server.key}")
    assert "tls_server_config.cert_file: " in missing
    assert "no.crt' cannot be read (No such file or directory)" in missing
    [keyless] = problems(folder, "tls_server_config: {cert_file: server.crt, key_file: no.key}")
    assert "tls_server_config.key_file: " in keyless
    [swapped] = problems(folder, "tls_server_config: {cert_file: server.key, key_file: server.crt}")
    assert "cert_file: holds no certificate" in swapped
    [twice] = problems(folder, "tls_server_config: {cert_file: server.crt, key_file: server.crt}")
    assert "key_file: holds no private key" in twice
    write_pair(folder, "other.example", stem="other")
    [foreign] = problems(folder, "tls_server_config: {cert_file: server.crt, key_file: other.key}")
    assert "key_file: is not the key of the certificate" in foreign
    (folder / "broken.crt").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    [broken] = problems(folder, "tls_server_config: {cert_file: broken.crt, key_file: server.key}")
    assert "cert_file: cannot be used with its key" in broken
    (folder / "locked.key").write_text(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----"
    )
    [locked] = problems(folder, "tls_server_config: {cert_file: server.crt, key_file: locked.key}")
    assert "key_file: holds a private key with a passphrase; expected one without, as `openssl pkey" in locked


def test_authorities_may_come_with_names_in_any_letters(folder: Path) -> None:
    bundle = (
        "# Ümlaut\n" + authority().cert_pem.bytes().decode() + "# é\n" + authority("theirs").cert_pem.bytes().decode()
    )
    (folder / "ours.pem").write_text(bundle, encoding="utf-8")
    web = load(folder, MUTUAL)
    assert web.context is not None
    assert len(web.context.get_ca_certs()) == 2


def test_hashes_that_tell_or_are_open_are_warned_of(folder: Path) -> None:
    hashes = f"rate_limit: {{}}\nbasic_auth_users: {{alice: {hashed('one', 4)!r}, bob: {hashed('two', 5)!r}}}"
    [costs] = load(folder, hashes).warnings
    assert costs.startswith(f"{folder}/web.yml:2: basic_auth_users: hashes have the costs 04, 05")
    (folder / "web.yml").chmod(0o644)
    _, mode = webconfig.load(str(folder / "web.yml")).warnings
    assert f"every user of this machine can read the hashes (mode 0644); chmod o-r {folder}/web.yml" in mode


def test_check_says_what_would_be_in_force_and_shows_no_hash(folder: Path) -> None:
    file = folder / "web.yml"
    text = TLS + users(alice=PASSWORD)
    file.write_text(text, encoding="utf-8")
    for arguments in ([f"--web.config.file={file}"], [str(folder / "config.yml")]):
        (folder / "config.yml").write_text("web: {config_file: web.yml}", encoding="utf-8")
        ended = command("check", *arguments)
        assert ended.returncode == 0, ended.stderr
        assert f"# {file} is right: TLS 1.2 and 1.3, 1 user" in ended.stdout
        assert "$2" not in ended.stdout + ended.stderr


def test_check_refuses_a_wrong_web_configuration_without_quoting_it(folder: Path) -> None:
    file = folder / "web.yml"
    file.write_text(
        f"basic_auth_users: {{alice: {PASSWORD!r}}}\ntls_server_config: {{key: {PASSWORD!r}, cert: x}}\n",
        encoding="utf-8",
    )
    for arguments in (["check"], ["serve", f"--storage.path={folder / 'state'}", "--web.listen-address=127.0.0.1:0"]):
        ended = command(*arguments, f"--web.config.file={file}")
        assert ended.returncode == 2
        assert f"{file}:1: basic_auth_users.alice: is no bcrypt hash" in ended.stderr
        assert "pass-word" not in ended.stdout + ended.stderr
        assert not (folder / "state").exists()


def test_users_need_their_library_and_nothing_else_does(folder: Path) -> None:
    without = ("-c", "import sys; sys.modules['bcrypt'] = None; from exporter import cli; sys.exit(cli.main())")
    (folder / "web.yml").write_text(TLS, encoding="utf-8")
    assert command("check", f"--web.config.file={folder / 'web.yml'}", program=without).returncode == 0
    (folder / "web.yml").write_text(TLS + users(alice=PASSWORD), encoding="utf-8")
    ended = command("check", f"--web.config.file={folder / 'web.yml'}", program=without)
    assert ended.returncode == 2
    assert "basic_auth_users: needs the library bcrypt; install it with: pip install 'runbook" in ended.stderr


def test_the_guide_names_every_key(folder: Path) -> None:
    guide = (ROOT / "docs" / "web.md").read_text(encoding="utf-8")
    written = keys(webconfig._Written)
    named = [*written, *keys(webconfig.RateLimit), *keys(webconfig.HTTPServer), *keys(TLSServer)]
    assert [name for name in [*named, "key_file", *webconfig.HEADERS] if name not in guide] == []


@given(
    st.text(alphabet=st.sampled_from("tls_server_config: {}[]\n,'\"&*!#|>-?%@`ab0$\t"), max_size=60)
    | st.binary(max_size=60)
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_the_file_is_understood_or_refused(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "web.yml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    try:
        problems: tuple[str, ...] = ()
        assert webconfig.load(str(file)).files[0] == str(file)
    except ConfigError as error:
        problems = error.problems
    assert [problem for problem in problems if not problem.startswith(f"{file}:")] == []
