"""What names, labels and quantities may look like, and how Kubernetes says that one is wrong."""

import re
from decimal import Decimal

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_VALUE = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

_QUANTITY = re.compile(r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$")
QUANTITY_MESSAGE = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
_NUMBER = re.compile(
    r"^([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"(?:(Ki|Mi|Gi|Ti|Pi|Ei)|([numkMGTPE]?)|[eE]([+-]?[0-9]+))$"
)
_BINARY = {
    unit: Decimal(1024) ** (i + 1) for i, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))
}
_DECIMAL = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal("1e3"), "M": Decimal("1e6"), "G": Decimal("1e9"), "T": Decimal("1e12"),
    "P": Decimal("1e15"), "E": Decimal("1e18"),
}  # fmt: skip


def subdomain_errors(name: str) -> list[str]:
    """Return what is wrong with a DNS-1123 subdomain, as most objects' names are."""
    return _wrong(
        name,
        253,
        _SUBDOMAIN,
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
        "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
        "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    )


def dns_label_errors(name: str) -> list[str]:
    """Return what is wrong with a DNS-1123 label, as containers' and namespaces' names are."""
    return _wrong(
        name,
        63,
        _LABEL,
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
        "start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
        "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    )


def label_value_errors(value: str) -> list[str]:
    """Return what is wrong with a label's value."""
    return _wrong(
        value,
        63,
        _VALUE,
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
        "must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
        "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    )


def _wrong(name: str, longest: int, pattern: str, form: str) -> list[str]:
    wrong = []
    if len(name) > longest:
        wrong.append(f"must be no more than {longest} characters")
    if not re.fullmatch(pattern, name):
        wrong.append(form)
    return wrong


def label_errors(key: str) -> list[str]:
    """Return what is wrong with the key of a label or an annotation."""
    wrong = []
    prefix, slash, name = key.rpartition("/")
    if key.count("/") > 1:
        return [_QUALIFIED_MESSAGE.format("a qualified name")]
    if slash and not prefix:
        wrong.append("prefix part must be non-empty")
    elif slash:
        wrong += [f"prefix part {one}" for one in subdomain_errors(prefix)]
    if not name:
        wrong.append("name part must be non-empty")
    elif len(name) > 63:
        wrong.append("name part must be no more than 63 characters")
    if not re.fullmatch(_QUALIFIED, name):
        wrong.append("name part " + _QUALIFIED_MESSAGE.format("").strip())
    return wrong


_QUALIFIED_MESSAGE = (
    "{} must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


def env_name_errors(name: str) -> list[str]:
    """Return what is wrong with an environment variable's name: since 1.32, hardly anything."""
    if not name or any(not 32 <= ord(char) < 127 or char == "=" for char in name):
        return [
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
        ]
    return []


def quantity(text: str) -> Decimal | None:
    """Return what a quantity as `250m` or `1Gi` comes to, or nothing if it is none."""
    found = _NUMBER.match(text) if _QUANTITY.match(text) else None
    if found is None:
        return None
    number, binary, decimal, exponent = (str(part or "") for part in found.groups())
    if binary:
        return Decimal(number) * _BINARY[binary]
    if exponent:
        return Decimal(number).scaleb(int(exponent))
    return Decimal(number) * _DECIMAL[decimal]
