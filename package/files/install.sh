#!/bin/sh
# Installs Jiahe on a box without a network, from the folder that this file lies in.
# 在没有网络的网关上安装嘉禾；文件都在本目录里。
set -eu
cd "$(dirname "$0")"

refuse() {
  echo "jiahe: $1" >&2
  echo "jiahe: $2" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || refuse "需要 root：sudo sh install.sh" "needs root: sudo sh install.sh"
[ "$(dpkg --print-architecture)" = @ARCH@ ] ||
  refuse "这是 @ARCH@ 的安装包，这台网关是 $(dpkg --print-architecture)" "this is for @ARCH@, the box is $(dpkg --print-architecture)"
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ "$codename" = @SUITE@ ] ||
  refuse "这是 Debian @SUITE@ 的安装包，这台网关是 ${codename:-别的系统}" "this is for Debian @SUITE@, the box has ${codename:-something else}"
[ "$(df -Pk /var/lib | awk 'NR == 2 { print $4 }')" -ge 200000 ] ||
  refuse "/var/lib 剩余空间不到 200 MB" "less than 200 MB are free in /var/lib"
sha256sum --check --quiet --strict SHA256SUMS || refuse "文件损坏，重新拷贝" "a file is damaged: copy it again"
if [ -e /etc/jiahe/upgrade-keys ]; then
  ssh-keygen -Y verify -f /etc/jiahe/upgrade-keys -I jiahe -n jiahe-upgrade -s SHA256SUMS.sig <SHA256SUMS >/dev/null ||
    refuse "签名不对" "the signature is not one of ours"
else
  echo "jiahe: 没有 /etc/jiahe/upgrade-keys，签名没有验证 / no key here yet: the signature was not verified"
fi

# What the sums name, and nothing that was put beside it. Of Debian's packages those that are not
# there; none that is there is changed.
packages=""
for file in $(sed -n 's/^[0-9a-f]\{64\}  \([^/]*\.deb\)$/\1/p' SHA256SUMS); do
  name=$(dpkg-deb --field "$file" Package)
  if [ "$name" = jiahe ] || ! dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'install ok installed'; then
    packages="$packages ./$file"
  fi
done
# No word of it is wider than a file's name.
DEBIAN_FRONTEND=noninteractive dpkg --install --force-confold --force-confdef $packages
