mkdir -p made/dir/deep made/empty
echo alpha > made/dir/alpha
echo beta > made/dir/deep/beta
ln -s alpha made/dir/soft
ln made/dir/alpha made/dir/hard
printf latin > "made/dir/caf$(printf '\351')"
printf utf8 > 'made/dir/snow ☃'
long=$(printf 'long-%.0s' $(seq 40))
mkdir -p "made/$long" && echo deep > "made/$long/$long"
chmod 4711 made/dir/deep/beta
chmod 0700 made/empty
find made -exec touch -h -d @1600000000 {} +
pack() { tar -C made --sort=name --numeric-owner --owner=11 --group=22 "$@" .; }
pack --format=pax --pax-option=delete=atime,delete=ctime -cf plain.tar
pack --format=gnu -cf - | gzip -n > gnu.tar.gz
pack --format=gnu -cf - | bzip2 > some.bin
pack --format=pax -cf - | xz > some.txz
printf 'not an archive' > fake.tar
printf 'just text\n' | gzip -n > text.gz
: > empty.tar
rm -rf made
