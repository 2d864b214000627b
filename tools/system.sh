#!/usr/bin/env bash
# Installs system packages where that can be done: tools/system.sh PACKAGE...
#
# As root on Debian and its kin it does; elsewhere it says what to install, and exits 1.
set -euo pipefail

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing $* with apt-get"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update >/dev/null && apt-get -qq install --yes --no-install-recommends "$@" >/dev/null && exit 0
    echo "apt-get could not install $*" >&2
    exit 1
fi
echo "not root on a Debian, so please install by hand what Debian calls: $*" >&2
exit 1
