#!/usr/bin/env bash
# Installs what the tests need and runs all of them: types, lint and imports, then every test suite, and where this is
# root every suite that touches the host once more as an ordinary user. The last line is "N passed, N failed"; a failure of anything counts.
# usage: tools/test.sh [--quick]     --quick: without the comparison with buildah and the other long suites.
# Environment: ZLAYER_TEST_CACHE, where base images are kept between runs (default: below the temporary directory);
# ZLAYER_KILLS, how often the kill test kills; CI=true, a suite that the host cannot run is a failure instead of a skip.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ "${1:-}" = --quick ] && suites=(src tools test/support) || suites=(src tools test)
export LC_ALL=C.UTF-8
umask 022
# Reference data that some unit tests read, where it lies beside the checkout: the second run happens elsewhere.
if [ -z "${ZLAYER_SHARED:-}" ] && [ -d ../shared ]; then ZLAYER_SHARED=$(cd ../shared && pwd); export ZLAYER_SHARED; fi

passed=0 failed=0
say() { printf '\n== %s\n' "$*"; }
count() { passed=$((passed + $1)); failed=$((failed + $2)); }

# begin NAME COMMAND…: starts one thing that passes or fails, beside the others; `ended NAME` shows it and counts it.
declare -A running=()
begin() {
  local name=$1; shift
  "$@" > "$scratch/$name.log" 2>&1 &
  running[$name]=$!
}
ended() {
  say "$1"
  local status=0
  wait "${running[$1]}" || status=$?
  cat "$scratch/$1.log"
  if [ "$status" = 0 ]; then count 1 0; else count 0 1; printf 'FAILED: %s\n' "$1"; fi
}

# Adds up what vitest wrote. A run that ended without a report is one failure, and so is one that found no test.
add_report() {
  local numbers
  numbers=$(node -e '
    const report = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
    const broken = report.testResults.filter((file) => file.status === "failed" && file.assertionResults.every((each) => each.status !== "failed"));
    const failed = report.numFailedTests + broken.length;
    console.log(report.numPassedTests, failed + (failed === 0 && (!report.success || report.numPassedTests === 0) ? 1 : 0));
  ' "$1" 2>/dev/null) || { printf 'FAILED: the run left no report\n'; numbers='0 1'; }
  # shellcheck disable=SC2086
  count $numbers
}

# Says what a run has left in its temporary directory, or running there.
tell_left() {
  local left process
  left=$(ls -A "$1")
  for process in $(grep -lsF -f <(printf '%s' "$1") /proc/[0-9]*/cmdline /proc/[0-9]*/environ); do
    # Never what its environment holds.
    left+=" [$(tr '\0' ' ' < "${process%/*}/cmdline" | head -c 200)]"
  done
  [ -z "$left" ] || printf 'LEFT BEHIND: %s\n' "$left"
}

finish() {
  printf '\n%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" = 0 ] || exit 1
  exit 0
}

say 'setup'
./tools/setup.sh --tests --no-build || { count 0 1; finish; }
export ZLAYER_TEST_CACHE=${ZLAYER_TEST_CACHE:-${TMPDIR:-/tmp}/zlayer-test-$(id -u)}
mkdir -p "$ZLAYER_TEST_CACHE"
scratch=$(mktemp -d)
# What is on a disk for the tests that are about one, whatever the others use.
export ZLAYER_TEST_DISK=$scratch.disk
mkdir "$ZLAYER_TEST_DISK"
leave() {
  umount "$scratch" 2>/dev/null || umount -l "$scratch" 2>/dev/null
  rm -rf "$scratch" "$ZLAYER_TEST_DISK"
}
trap leave EXIT
# The suites make and remove some hundred thousand files. In memory that costs half the time, where there is enough of it
# and this may mount: an ext4 without a journal, for one, searches all inodes that were just removed for each new file.
available=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
if [ "$(id -u)" = 0 ] && [ "${available:-0}" -gt $((12 * 1024 * 1024)) ] &&
  mount -t tmpfs -o size=8g,mode=0755 zlayer-test "$scratch" 2>/dev/null; then
  say 'the tests write to memory'
fi
chmod 0755 "$scratch"
mkdir -m 1777 "$scratch/tmp"

begin build npm run --silent build
begin types npm run --silent check:types
begin lint npm run --silent check:lint
begin imports npm run --silent check:imports
for name in build types lint imports; do ended "$name"; done

# The user of the second run; the first one asks it for an image, too.
user=zlayer-test
make_user() {
  id "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$user"
  for kind in uid gid; do
    grep -q "^$user:" "/etc/sub$kind" 2>/dev/null && continue
    # Beyond every range that is already given away.
    next=$(awk -F: 'BEGIN { n = 100000 } $2 + $3 > n { n = $2 + $3 } END { print n }' "/etc/sub$kind" 2>/dev/null || echo 100000)
    echo "$user:$next:65536" >> "/etc/sub$kind"
  done
}
[ "$(id -u)" != 0 ] || make_user

# vitest's own reporters: one for people, one for the sum. A run that hangs is ended.
vitest=(timeout --kill-after=20 780 node node_modules/vitest/vitest.mjs run --reporter=dot --reporter=json)

say "tests as $(id -un)"
TMPDIR=$scratch/tmp "${vitest[@]}" --outputFile.json="$scratch/own.json" "${suites[@]}" < /dev/null
add_report "$scratch/own.json"
tell_left "$scratch/tmp"

if [ "$(id -u)" = 0 ]; then
  say "tests as $user"
  # The user may not be able to read this checkout (a home directory of root), and must not write to it.
  copy=$scratch/checkout
  mkdir "$copy"
  tar --exclude=./.git --exclude=./node_modules/.vite -cf - . | tar -C "$copy" -xf - --no-same-owner
  mkdir -m 0700 "$scratch/user" "$scratch/run"
  chown -R "$user:" "$copy" "$scratch/user" "$scratch/run" "$ZLAYER_TEST_DISK"
  chmod -R a+rX "$ZLAYER_TEST_CACHE"
  kept=()
  for name in PATH LANG LC_ALL CI ZLAYER_TEST_CACHE ZLAYER_TEST_DISK ZLAYER_KILLS ZLAYER_SHARED HTTP_PROXY HTTPS_PROXY NO_PROXY \
    http_proxy https_proxy no_proxy NODE_EXTRA_CA_CERTS; do
    [ -z "${!name+set}" ] || kept+=("$name=${!name}")
  done
  (cd "$copy" && setpriv --reuid "$user" --regid "$user" --init-groups \
    env -i "${kept[@]}" HOME="$(getent passwd "$user" | cut -d: -f6)" USER="$user" LOGNAME="$user" TMPDIR="$scratch/user" \
    XDG_RUNTIME_DIR="$scratch/run" \
    "${vitest[@]}" --project host --outputFile.json="$copy/report.json" "${suites[@]}" < /dev/null)
  add_report "$copy/report.json"
  tell_left "$scratch/user"
fi
finish
