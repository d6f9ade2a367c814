mkdir -p tree/real tree/sub
echo one > tree/real/one
echo two > tree/real/two
ln -s real/one tree/relative
ln -s /etc/passwd tree/absolute
ln -s ../real tree/sub/to-dir
ln -s nowhere tree/dangling
ln tree/real/one tree/sub/hard-one
ln -s real tree/dir-link
