#!/bin/bash
# Installs the Debian packages that a gateway and the tests need, when something is missing.
# With `test`: those that only tests of the kernel's WireGuard need, which are skipped without.
set -euo pipefail

declare -A package_of=(
  [ip]=iproute2 [nft]=nftables [wireguard-go]=wireguard-go [wg-quick]=wireguard-tools
  [curl]=curl [ping]=iputils-ping [sysctl]=procps [resolvconf]=openresolv
)
if [ "${1:-}" = test ]; then
  package_of=([qemu-system-x86_64]=qemu-system-x86 [depmod]=kmod)
  trap 'echo "without them, tests of the kernel'\''s WireGuard are skipped" >&2; exit 0' ERR
fi
missing=()
for program in "${!package_of[@]}"; do
  command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
done
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "please install: ${missing[*]}" >&2
  false
fi
echo "installing Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
