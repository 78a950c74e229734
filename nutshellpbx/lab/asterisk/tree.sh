#!/bin/sh
# Makes a small Debian tree with a real Asterisk and sipp in it, for the tests and `make demo PBX=asterisk`.
#
# Usage: tree.sh [DIR]     DIR defaults to $NUTSHELLPBX_ASTERISK_TREE, then ~/.cache/nutshellpbx/asterisk
# Exit:  0 the tree stands (its path is the last line printed), 3 this machine cannot make one (one sentence why).
#
# The tree is built beside its final place and renamed when it is whole, so a killed run leaves nothing half
# made behind that a later run would take for a tree. Building takes about a minute and 700 MB.
set -eu

RECIPE=2
tree=${1:-${NUTSHELLPBX_ASTERISK_TREE:-${XDG_CACHE_HOME:-$HOME/.cache}/nutshellpbx/asterisk}}
building="$tree.building"
log="$tree.log"

say() { printf 'asterisk tree: %s\n' "$1" >&2; }
cannot() { say "$1"; exit 3; }
stands() { [ "$(cat "$tree/.nutshellpbx-recipe" 2>/dev/null)" = "$RECIPE" ]; }

# The machine's usual Debian mirror, as apt was told it: first what apt has read, else its list files.
find_mirror() {
    {
        apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
            awk '$1 == "Debian" && $2 == "Debian" { print $3 }'
        cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
            awk '/^Types:/ { uri = "" } /^URIs:/ { uri = $2 } /^Signed-By:.*debian-archive/ && uri { print uri }'
        cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
            awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) { print $i; break } }'
    } | grep -v -e security -e '^$' | head -n 1
}

if stands; then
    say "already there"
    echo "$tree"
    exit 0
fi
[ "$(id -u)" = 0 ] || cannot "only root can make it (a tree of its own needs chroot)."
command -v apt-get >/dev/null || cannot "this machine has no apt-get, so its Debian mirror is not known."
mirror=$(find_mirror)
[ -n "$mirror" ] || cannot "apt's configuration names no Debian mirror."

mkdir -p "$(dirname "$tree")"
exec 9>"$tree.lock"
flock 9
if stands; then
    echo "$tree"
    exit 0
fi
: >"$log"
if ! command -v debootstrap >/dev/null; then
    say "installing debootstrap"
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends debootstrap >>"$log" 2>&1 ||
        cannot "debootstrap is missing and could not be installed (see $log)."
fi

proxy=$(apt-config dump --format '%v%n' Acquire::http::Proxy 2>/dev/null | head -n 1)
if [ -n "$proxy" ] && [ -z "${http_proxy:-}" ]; then
    export http_proxy="$proxy"
fi
# A killed debootstrap may have left these mounted.
umount -l "$building/proc" "$building/sys" 2>/dev/null || true
rm -rf --one-file-system "$building"
say "1/3 a minimal Debian (about 35 s)"
debootstrap --variant=minbase sid "$building" "$mirror" >>"$log" 2>&1 ||
    cannot "debootstrap could not fetch Debian unstable from this machine's mirror (see $log)."

# No service may start inside the tree while its packages are set up.
printf '#!/bin/sh\nexit 101\n' >"$building/usr/sbin/policy-rc.d"
chmod 755 "$building/usr/sbin/policy-rc.d"
[ -f /etc/resolv.conf ] && cp -L /etc/resolv.conf "$building/etc/resolv.conf"
say "2/3 Asterisk and sipp (about 30 s)"
DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$building" apt-get install -y --no-install-recommends \
    asterisk asterisk-config asterisk-modules sip-tester >>"$log" 2>&1 ||
    cannot "Asterisk could not be installed from this machine's mirror (see $log)."

say "3/3 checking"
chroot "$building" /usr/sbin/asterisk -V >>"$log" 2>&1 || cannot "the installed Asterisk does not start (see $log)."
rm -rf "$building"/var/cache/apt/archives/*.deb
mkdir -p "$building/runs"
echo "$RECIPE" >"$building/.nutshellpbx-recipe"
if [ -e "$tree" ]; then
    rm -rf --one-file-system "$tree"
fi
mv "$building" "$tree"
say "ready: $(chroot "$tree" /usr/sbin/asterisk -V)"
echo "$tree"
