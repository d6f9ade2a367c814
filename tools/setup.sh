#!/usr/bin/env bash
# Makes a checkout ready: installs the programs that are missing (apt-get, as root or through sudo), the npm packages of
# the lock file, and builds dist/.
# usage: tools/setup.sh [--tests] [--no-build]     --tests: also what the tests need.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tests=no build=yes
for argument in "$@"; do
  case $argument in
    --tests) tests=yes ;;
    --no-build) build=no ;;
    *) echo "usage: tools/setup.sh [--tests] [--no-build]" >&2; exit 2 ;;
  esac
done
say() { printf '%s\n' "setup: $*" >&2; }

# A program and the Debian or Ubuntu package that has it.
programs='
unshare util-linux
setpriv util-linux
flock util-linux
nsenter util-linux
mount mount
tar tar
gzip gzip
xz xz-utils
bzip2 bzip2
git git
newuidmap uidmap
busybox busybox-static
ip iproute2
'
test_programs='
buildah buildah
skopeo skopeo
umoci umoci
docker-registry docker-registry
mmdebstrap mmdebstrap
zstd zstd
useradd passwd
openssl openssl
ps procps
'
[ "$tests" = no ] || programs+=$test_programs

missing=()
while read -r program package; do
  [ -n "$program" ] || continue
  PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || missing+=("$package")
done <<< "$programs"

if [ ${#missing[@]} -gt 0 ]; then
  mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
  if [ "$(id -u)" = 0 ]; then sudo=(); elif sudo -n true 2>/dev/null; then sudo=(sudo -n); else
    say "these packages are missing: ${missing[*]}"
    say "install them as root: apt-get install ${missing[*]}"
    exit 3
  fi
  command -v apt-get >/dev/null || { say "these programs are missing, and there is no apt-get: ${missing[*]}"; exit 3; }
  say "installing ${missing[*]}"
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

version=$(node -p 'process.versions.node' 2>/dev/null) || { say 'Node 20 or later is missing; see https://nodejs.org'; exit 3; }
[ "${version%%.*}" -ge 20 ] || { say "Node $version is too old; Node 20 or later is needed"; exit 3; }

# npm writes this file at the end of an installation; one that is newer than the lock file is complete.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say 'installing npm packages'
  npm ci --no-audit --no-fund --loglevel=error >&2
fi
if [ "$build" = yes ]; then
  say 'building dist/'
  npm run --silent build >&2
fi
