"""Random values: any object for the codec, and commands in a world so small that they collide."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import hypothesis.strategies as st
from msgspec import UNSET

from tests import builders
from wig import addresses, keys, log, ops
from wig.commands import (
    AUTO,
    AnyCommand,
    CreateInterface,
    CreatePeer,
    CreateToken,
    DeleteInterface,
    DeletePeer,
    DeletePeers,
    DeleteToken,
    ImportPeers,
    PeerSpec,
    UpdateInterface,
    UpdatePeer,
)
from wig.model import Interface, Object, Peer, Token

# Any object.

texts = st.text(max_size=20)
times = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
    max_value=datetime(9999, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
public_keys = st.integers(0, 1000).map(builders.key)
private_keys = st.integers(0, 20).map(builders.private_key)
preshared_keys = st.integers(0, 1000).map(lambda seed: keys.PresharedKey(builders.key(seed)))
texts_few = st.lists(texts, max_size=3).map(tuple)

interfaces: st.SearchStrategy[Interface] = st.builds(
    Interface,
    name=texts,
    port=st.integers(0, 70000),
    private_key=private_keys,
    public_key=public_keys,
    addresses=texts_few,
    mtu=st.integers(0, 70000),
    dns=texts_few,
    description=texts,
    revision=texts,
)
peers: st.SearchStrategy[Peer] = st.builds(
    Peer,
    public_key=public_keys,
    interface=texts,
    created=times,
    ip=st.none() | texts,
    ip6=st.none() | texts,
    preshared_key=st.none() | preshared_keys,
    name=texts,
    description=texts,
    expire=st.none() | times,
    enabled=st.booleans(),
    rate_limit=st.none() | st.integers(0, 1 << 62),
    revision=texts,
)
tokens: st.SearchStrategy[Token] = st.builds(
    Token,
    id=texts,
    secret_digest=texts,
    role=texts,
    created=times,
    description=texts,
    revision=texts,
)
objects: st.SearchStrategy[Object] = interfaces | peers | tokens
entries: st.SearchStrategy[log.Entry] = st.builds(
    log.Entry,
    seq=st.integers(1, 1 << 62),
    time=times,
    actor=texts,
    request=texts,
    op=st.one_of(
        st.builds(ops.InterfaceCreate, interface=interfaces),
        st.builds(ops.InterfaceUpdate, interface=interfaces),
        st.builds(ops.InterfaceDelete, name=texts),
        st.builds(ops.PeerCreate, peer=peers),
        st.builds(ops.PeerUpdate, peer=peers),
        st.builds(ops.PeerDelete, public_key=public_keys),
        st.builds(ops.TokenCreate, token=tokens),
        st.builds(ops.TokenUpdate, token=tokens),
        st.builds(ops.TokenDelete, id=texts),
    ),
)

# Commands that meet each other.

_names = st.sampled_from(["wg0"] * 6 + ["wg1"] * 3 + ["wg2", "bad name"])
_pools = st.lists(
    st.sampled_from(
        [
            "10.0.0.1/28", "10.0.0.1/27", "10.0.0.5/29", "10.0.0.17/28", "10.0.1.1/30",
            "fd00::1/124", "fd00::1/123", "fd00::11/124", "10.0.0.0/28",
        ]
    ),
    max_size=2,
).map(tuple)  # fmt: skip
_keys = st.sampled_from(
    [*[builders.key(seed) for seed in range(6)] * 3, builders.interface().public_key, "no key"]
)
_times = st.sampled_from([None] * 8 + [builders.NOON, builders.NOON.replace(year=2030)])
_revisions = st.sampled_from([None] * 8 + ["e1:1", "e1:2", "e1:3"])
_labels = st.sampled_from([""] * 6 + ["Ada"] * 4 + ["bad\n"])
_rates = st.sampled_from([None, None, 1_000_000, 64_000, 0])
_secrets = st.sampled_from([None, keys.PresharedKey(builders.key("psk"))])


def _ranges(base: str, bits: int) -> st.SearchStrategy[str]:
    """Return prefixes that begin within 48 addresses of `base`."""
    start = addresses.parse_range(base, "test")

    def text(offset: int, size: int) -> str:
        first = start.first + (offset & ~((1 << size) - 1))
        return f"{addresses.host_text(start.version, first)}/{bits - size}"

    return st.builds(text, st.integers(0, 47), st.sampled_from([0, 0, 0, 1, 2, 3]))


_ip = st.sampled_from([AUTO, AUTO, AUTO, None]) | _ranges("10.0.0.0", 32)
_ip6 = st.sampled_from([AUTO, AUTO, AUTO, None]) | _ranges("fd00::", 128)


def _maybe(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.just(UNSET) | values


_spec_fields = {
    "interface": _names,
    "public_key": _keys,
    "ip": _ip,
    "ip6": _ip6,
    "preshared_key": _secrets,
    "name": _labels,
    "expire": _times,
    "enabled": st.booleans(),
    "rate_limit": _rates,
    "outside_pool": st.booleans(),
}
_create_peer = st.builds(CreatePeer, **_spec_fields)
_update_peer = st.builds(
    UpdatePeer,
    public_key=_keys,
    ip=_maybe(_ip),
    ip6=_maybe(_ip6),
    preshared_key=_maybe(_secrets),
    name=_maybe(_labels),
    expire=_maybe(_times),
    enabled=_maybe(st.booleans()),
    rate_limit=_maybe(_rates),
    outside_pool=st.booleans(),
    revision=_revisions,
)
_move_peer = st.builds(UpdatePeer, public_key=_keys, ip=_ip, ip6=_ip6, outside_pool=st.booleans())
_create_interface = st.builds(
    CreateInterface,
    name=_names,
    port=st.integers(0, 3),
    private_key=st.sampled_from(["wg0", "wg1", "wg2"]).map(builders.private_key),
    addresses=_pools,
)
_update_interface = st.builds(
    UpdateInterface,
    name=_names,
    port=_maybe(st.integers(0, 3)),
    private_key=_maybe(st.sampled_from(["wg0", "wg1", "wg2"]).map(builders.private_key)),
    addresses=_maybe(_pools),
    revision=_revisions,
)
_resize_interface = st.builds(UpdateInterface, name=_names, addresses=_pools)
_import_peers = st.builds(
    ImportPeers, peers=st.lists(st.builds(PeerSpec, **_spec_fields), max_size=5).map(tuple)
)
commands: st.SearchStrategy[AnyCommand] = st.one_of(
    _create_peer,
    _create_peer,
    _update_peer,
    _move_peer,
    _move_peer,
    st.builds(DeletePeer, public_key=_keys, revision=_revisions),
    st.builds(DeletePeers, public_keys=st.lists(_keys, max_size=3).map(tuple)),
    _import_peers,
    _create_interface,
    _update_interface,
    _resize_interface,
    _resize_interface,
    st.builds(DeleteInterface, name=_names, with_peers=st.booleans(), revision=_revisions),
    st.builds(
        CreateToken,
        id=st.sampled_from(["a", "b", "tls-x"]),
        secret_digest=st.just("0" * 64),
        role=st.sampled_from(["admin", "gateway"]),
    ),
    st.builds(DeleteToken, id=st.sampled_from(["a", "b"]), revision=_revisions),
)

_beginning = [
    builders.create_interface("wg0", port=1, addresses=("10.0.0.1/28", "fd00::1/124")),
    builders.create_interface("wg1", port=2, addresses=("10.0.1.1/30",)),
    builders.create_peer(0),
    builders.create_peer(1, ip="10.0.0.8/30", preshared_key=keys.PresharedKey(builders.key("psk"))),
    builders.create_peer(2, ip="10.0.0.32/29", outside_pool=True),
]
histories = st.lists(commands, min_size=10, max_size=40).map(lambda more: [*_beginning, *more])
"""Commands of which the first make some objects, so that the others have something to do."""

# Commands from somebody who did not read the documentation.

_wild_text = st.text(max_size=70) | st.from_regex(r"[0-9a-f.:/]{1,20}", fullmatch=True)
_any_ip = st.ip_addresses().map(str)
_wild_ip = st.none() | _wild_text | _any_ip | _any_ip.map("{}/24".format)
_nearly_cidr = st.from_regex(r"[0-9a-f.:]{1,15}/[0-9]{1,3}")
_wild_number = st.integers() | st.just(10**4000)
_wild_times = st.none() | st.datetimes(
    timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
)
_wild_peer = {
    "interface": st.just("wg0") | _wild_text,
    "public_key": public_keys | _wild_text,
    "ip": _wild_ip,
    "ip6": _wild_ip,
    "name": _wild_text,
    "description": _wild_text,
    "expire": _wild_times,
    "outside_pool": st.booleans(),
}
_wild_interface = {
    "name": st.sampled_from(["wg0", "new"]) | _wild_text,
    "port": _wild_number,
    "private_key": st.binary(min_size=32, max_size=32).map(
        lambda raw: keys.PrivateKey(base64.b64encode(raw).decode())
    ),
    "addresses": st.lists(_nearly_cidr | _wild_text, max_size=3).map(tuple),
    "mtu": _wild_number,
    "dns": st.lists(_wild_text | _any_ip, max_size=3).map(tuple),
    "description": _wild_text,
}
wild_commands: st.SearchStrategy[AnyCommand] = st.one_of(
    st.builds(CreatePeer, request=_wild_text, **_wild_peer),
    st.builds(
        UpdatePeer,
        **{name: _maybe(values) for name, values in _wild_peer.items() if name in {"ip", "ip6"}},
        public_key=st.just(builders.key(0)) | _wild_text,
        name=_maybe(_wild_text),
        expire=_maybe(_wild_times),
        outside_pool=st.booleans(),
        revision=st.none() | _wild_text,
    ),
    st.builds(DeletePeer, public_key=_wild_text, revision=st.none() | _wild_text),
    st.builds(DeletePeers, public_keys=st.lists(public_keys | _wild_text, max_size=3).map(tuple)),
    st.builds(
        ImportPeers, peers=st.lists(st.builds(PeerSpec, **_wild_peer), max_size=3).map(tuple)
    ),
    st.builds(CreateInterface, **_wild_interface),
    st.builds(
        UpdateInterface,
        **_wild_interface | {"name": st.just("wg0"), "port": _maybe(_wild_number)},
        revision=st.none() | _wild_text,
    ),
    st.builds(DeleteInterface, name=_wild_text, with_peers=st.booleans()),
    st.builds(CreateToken, id=_wild_text, secret_digest=_wild_text, role=_wild_text),
    st.builds(DeleteToken, id=_wild_text),
)
"""Any text in any field, sometimes nearly right."""
