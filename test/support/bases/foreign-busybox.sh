#!/usr/bin/env bash
# Writes the root file system of a small image of another architecture as a tar: the busybox of Debian's package for it.
# The host's own package lists and architectures stay as they are. Programs of the architecture must run here.
# usage: foreign-busybox.sh OUT.tar ARCH     ARCH as dpkg names it, such as armhf
set -euo pipefail
out=${1:?usage: foreign-busybox.sh OUT.tar ARCH} arch=${2:?usage: foreign-busybox.sh OUT.tar ARCH}
out=$(realpath "$out") recipe=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../../examples/bases/busybox.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir -p state/lists/partial cache/archives/partial
cat > apt.conf <<CONF
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Sandbox::User "";
Dir::State "$work/state";
Dir::State::status "/dev/null";
Dir::Cache "$work/cache";
CONF
export APT_CONFIG=$work/apt.conf
# A source of this host may know nothing of the architecture.
apt-get update -qq > update.log 2>&1 || true
apt-get download -qq busybox-static || { cat update.log >&2; exit 1; }
dpkg-deb -x busybox-static_*.deb root
PATH=$work/root/bin:$work/root/usr/bin:$PATH "$recipe" "$out"
