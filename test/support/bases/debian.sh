#!/usr/bin/env bash
# Writes the root file system of a small Debian or Ubuntu of the host's own release, with a C compiler and setcap, as a
# tar. apt inside it uses the host's package sources and proxy settings, so that RUN apt-get works wherever the host's does.
# usage: debian.sh OUT.tar
set -euo pipefail
out=${1:?usage: debian.sh OUT.tar}
# shellcheck source=/dev/null
. /etc/os-release
suite=${VERSION_CODENAME:?/etc/os-release names no release}

sources=()
for file in /etc/apt/sources.list /etc/apt/sources.list.d/{debian,ubuntu}.sources; do
  if [ -f "$file" ] && grep -qE '^(deb|Types)' "$file"; then sources+=("$file"); fi
done
options=()
while read -r option; do options+=("--aptopt=$option"); done < <(
  apt-config dump | grep -E '^Acquire::((http|https)::Proxy|Check-Valid-Until|Check-Date) ' || true)

exec mmdebstrap --quiet --variant=minbase --include=gcc,libc6-dev,libcap2-bin "${options[@]}" "$suite" "$out" "${sources[@]}"
