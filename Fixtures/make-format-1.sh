#!/bin/bash
# Makes Fixtures/format-1 with the program named: bash Fixtures/make-format-1.sh .build/release/polykey
# Only for a new format: what is committed stays as it is, for ever.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
polykey=$(realpath "$1")
work=$(mktemp -d)
export POLYKEY_HOME=$work/keynode LC_ALL=C.UTF-8
"$polykey" init --no-passphrase --label fixture > /dev/null
"$polykey" vault create default
"$polykey" mount default "$work/mnt"
cd "$work/mnt"

mkdir db empty
echo -n hunter2 > db/password
echo -n 'correct horse battery staple' > db/password
printf 'host=localhost\nport=5432\n' > db/app.conf
printf 'host=db.example\nport=5432\n' > db/app.conf
chmod 600 db/password; chmod 640 db/app.conf
echo 'known by another name' > renamed-later; mv renamed-later db/renamed
echo 'gone in the newest version' > removed; rm removed
ln -s ../db/password db/link
ln db/app.conf hardlink
setfattr -n user.comment -v 'an attribute' db/password
printf 'bytes' > $'not-utf-8-\xff\xfe'
printf 'umlaut' > 'Schlüssel mit Leerzeichen'
: > nothing
mkfifo pipe
head -c 512 /dev/zero > block
yes 'a line of a file that has two parts' | head -c 1048583 > large || true
name=$(printf 'n%.0s' $(seq 200)); echo long > "$name"
touch -h -d '2001-02-03T04:05:06.123456789Z' db/* hardlink not-utf-8-* Sch* nothing pipe block large "$name"
chmod 750 db; chmod 1700 empty
touch -d '2002-03-04T05:06:07.000000001Z' db empty
touch -d '2003-04-05T06:07:08.5Z' .

cd "$work"
"$polykey" unmount mnt
"$polykey" mount default mnt
python3 "$here/describe.py" mnt > "$here/format-1/tree"
"$polykey" unmount mnt
"$polykey" log --json default | python3 -c '
import json, sys
for line in sys.stdin:
    version = json.loads(line)
    print(json.dumps({key: version[key] for key in ("version", "clock", "changes")}, sort_keys=True, ensure_ascii=False))
' > "$here/format-1/versions"
tar -C "$work" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --exclude=keynode/state --exclude=keynode/vaults/default.git/polykey \
  -cf "$here/format-1/keynode.tar" keynode
rm -rf "$work"
