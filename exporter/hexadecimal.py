"""Bytes that are written in hexadecimal."""


def hex_problem(text: str) -> str:
    """Return what is wrong with bytes in hexadecimal, nothing where they are well."""
    try:
        bytes.fromhex(text)
    except ValueError:
        return 'is not hexadecimal; expected pairs of digits, such as "00 08"'
    return ""
