mkdir -p dir/empty dir/sub 'a b' globs/x1 globs/x2 globs/y1
echo 1 > dir/one.txt; echo 2 > dir/two.txt; echo 3 > dir/sub/three.txt; echo s > 'a b/s p.txt'
echo x > globs/x1/f1; echo x > globs/x2/f2; echo y > globs/y1/f3
printf bytes > "dir/caf$(printf '\351')"; printf snow > 'dir/☃.txt'
echo 'run me' > exec.sh; chmod 0755 exec.sh; chmod 0600 dir/two.txt; chmod 2770 dir/sub
: > zero; head -c 300000 /dev/zero > zeros
mkfifo pipe
