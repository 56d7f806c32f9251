"""Names in certificates. Called by the callout, and where a certificate decides who one is."""

from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from wig import errors


def common_name_of(pem: bytes) -> str:
    """Return the Common Name; empty: there is none, or several. Raises `ValueError`."""
    subject = x509.load_pem_x509_certificate(pem).subject
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def common_name(path: Path) -> str:
    """Return the Common Name in a file; raise `Unusable` if it has no certificate."""
    try:
        return common_name_of(path.read_bytes())
    except OSError as error:
        raise errors.Unusable(
            f"cert: '{path}' cannot be read: {error.strerror}", field="cert"
        ) from error
    except ValueError:
        raise errors.Unusable(f"cert: '{path}' is not a certificate", field="cert") from None
