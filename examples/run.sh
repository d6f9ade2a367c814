#!/usr/bin/env bash
# Builds the examples for real, from nothing but this checkout and Node 20 on Debian or Ubuntu: installs what is missing,
# builds zlayer, makes the base images, builds every example and shows what came out.
# usage: examples/run.sh [--debian]     --debian: also a Debian base with a C compiler (downloads about 60 MB of packages).
# The images lie in the store that `zlayer images` shows: $ZLAYER_DATA_DIR, /var/lib/zlayer for root, else ~/.local/share/zlayer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
debian=no
for argument in "$@"; do
  case $argument in
    --debian) debian=yes ;;
    *) echo 'usage: examples/run.sh [--debian]' >&2; exit 2 ;;
  esac
done

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
zlayer() { printf '$ zlayer %s\n' "$*"; node dist/zlayer.cjs "$@"; }

say '1. What is needed'
./tools/setup.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say '2. Base images, made from what is on this machine'
path='ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
./examples/bases/busybox.sh "$work/busybox.tar"
zlayer import --change "$path" --change 'CMD ["sh"]' "$work/busybox.tar" localhost/busybox
./examples/bases/node.sh "$work/node.tar"
zlayer import --change "$path" --change 'CMD ["node"]' "$work/node.tar" localhost/node

say '3. A script on scratch'
zlayer build -t hello examples/hello

say '4. A Node web app: first its tests, then the image'
zlayer build --target test --build-arg VERSION=1.0 -t web-app:test examples/web-app
zlayer build --build-arg VERSION=1.0 -t web-app:1.0 --metadata-file "$work/metadata.json" examples/web-app

say '5. Cache, secret and bind mounts'
zlayer build --secret id=token,src=examples/mounts/token.txt -t mounts examples/mounts

if [ "$debian" = yes ]; then
  say '6. A C program, compiled in one stage and copied alone'
  command -v mmdebstrap > /dev/null || ./tools/setup.sh --tests --no-build
  ./test/support/bases/debian.sh "$work/debian.tar"
  zlayer import --change "$path" "$work/debian.tar" localhost/debian
  zlayer build -t c-program examples/c-program
fi

say 'The images'
zlayer images
zlayer history web-app:1.0
zlayer inspect web-app:1.0

say 'What is in the smallest one'
node dist/zlayer.cjs build -q -o "type=local,dest=$work/hello" examples/hello > /dev/null
(cd "$work/hello" && find . -type f -exec ls -l {} +)
say 'Everything was built. `node dist/zlayer.cjs --help` shows what else there is.'
