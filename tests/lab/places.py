"""Files of places, as MaxMind publishes them, for the addresses of a test."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

COUNTRY = "GeoLite2-Country"
ASN = "GeoLite2-ASN"


def write(path: Path, kind: str, records: Mapping[str, Any], *, ip_version: int = 6) -> Path:
    """Write a file of this type: what it says about each network. An existing one is replaced."""
    writer = MMDBWriter(
        ip_version=ip_version,
        database_type=kind,
        languages=["en"],
        description="for tests",
        ipv4_compatible=ip_version == 6,
        int_type="u32",
    )
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    fresh = path.with_suffix(".new")
    writer.to_db_file(str(fresh))
    return fresh.replace(path)


def write_countries(path: Path, countries: Mapping[str, str]) -> Path:
    """Write the country of each network."""
    records = {
        network: {
            "continent": {"code": "EU"},
            "country": {"geoname_id": 1, "iso_code": code, "names": {"en": f"Land of {code}"}},
            "registered_country": {"geoname_id": 2, "iso_code": "US"},
        }
        for network, code in countries.items()
    }
    return write(path, COUNTRY, records)


def write_networks(path: Path, networks: Mapping[str, tuple[int, str]]) -> Path:
    """Write number and organisation of the autonomous system of each network."""
    records = {
        network: {
            "autonomous_system_number": number,
            "autonomous_system_organization": organisation,
        }
        for network, (number, organisation) in networks.items()
    }
    return write(path, ASN, records)
