#!/bin/bash
# Installs the Debian packages that a gateway and the tests need, when something is missing.
set -euo pipefail

declare -A package_of=(
  [ip]=iproute2 [nft]=nftables [wireguard-go]=wireguard-go [wg-quick]=wireguard-tools
  [curl]=curl [ping]=iputils-ping [sysctl]=procps [resolvconf]=openresolv
)
missing=()
for program in "${!package_of[@]}"; do
  command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
done
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "please install: ${missing[*]}" >&2
  exit 1
fi
echo "installing Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
