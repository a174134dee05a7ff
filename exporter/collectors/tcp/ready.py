"""How TLS is asked for on a line, in the way of each protocol that has one."""

from collections.abc import Mapping
from typing import Final

from exporter.collectors.tcp.settings import Step

STARTTLS: Final[Mapping[str, tuple[Step, ...]]] = {
    "none": (),
    "smtp": (
        Step(expect="^220 ", fail="^[45]", send="EHLO runbook-exporter"),
        Step(expect="(?i)^250[- ]STARTTLS", fail="^250 |^[45]", send="STARTTLS"),
        Step(expect="^220 ", fail="^[45]", starttls=True),
    ),
    "imap": (
        Step(expect=r"(?i)^\* OK", fail=r"(?i)^\* BYE", send="a STARTTLS"),
        Step(expect="(?i)^a OK", fail="(?i)^a (NO|BAD)", starttls=True),
    ),
    "pop3": (
        Step(expect=r"^\+OK", fail="^-ERR", send="STLS"),
        Step(expect=r"^\+OK", fail="^-ERR", starttls=True),
    ),
    "ftp": (
        Step(expect="^220 ", fail="^[45]", send="AUTH TLS"),
        Step(expect="^234", fail="^[45]", starttls=True),
    ),
    # a request of eight bytes, the code of TLS in it; S is yes, N is no
    "postgres": (Step(send_hex="00 00 00 08 04 d2 16 2f"), Step(expect_hex="53", starttls=True)),
}
