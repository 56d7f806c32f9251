"""The digest chain: nothing can be changed, lost, repeated or moved unseen."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from wig import errors, log

payloads = st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=6)


def records_of(payloads: list[bytes]) -> list[log.Record]:
    records, digest = [], log.ZERO_DIGEST
    for seq, payload in enumerate(payloads, 1):
        digest = log.chain(digest, payload)
        records.append(log.Record(seq, payload, digest))
    return records


def refused(records: list[log.Record]) -> None:
    with pytest.raises(errors.Damaged):
        log.follow(log.ZERO_DIGEST, 0, records)


@given(payloads, st.integers(1, 255))
def test_every_flipped_byte_is_found(payloads, mask):
    """In a payload or in a digest, at any place."""
    records = records_of(payloads)
    log.follow(log.ZERO_DIGEST, 0, records)

    for index, record in enumerate(records):
        for field in ("payload", "digest"):
            good = getattr(record, field)
            for at in range(len(good)):
                bad = good[:at] + bytes([good[at] ^ mask]) + good[at + 1 :]
                changed = record._replace(**{field: bad})
                refused([*records[:index], changed, *records[index + 1 :]])


@given(payloads, st.data())
def test_a_lost_repeated_or_moved_record_is_found(payloads, data):
    """Only a missing end is no break: it is a shorter past."""
    records = records_of(payloads)
    index = data.draw(st.integers(0, len(records) - 1))

    refused([*records[: index + 1], *records[index:]])
    if index + 1 < len(records):
        refused([*records[:index], *records[index + 1 :]])
        refused([*records[:index], records[index + 1], records[index], *records[index + 2 :]])
    log.follow(log.ZERO_DIGEST, 0, records[:index])


@given(payloads, payloads)
def test_two_pasts_have_two_digests(one, other):
    """Equal digests mean equal payloads, one by one: borders between payloads count too."""
    assert (records_of(one)[-1].digest == records_of(other)[-1].digest) == (one == other)
    assert len(one) == 1 or records_of(one)[-1].digest != records_of([b"".join(one)])[-1].digest
