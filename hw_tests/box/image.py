"""The disk of the emulated box: Debian for arm64 with its own kernel, made once and kept.

apt fetches the packages for arm64 beside this machine's own; they are unpacked here, which needs no
program of theirs to run, and configured at the first boot of the box itself, by its own dpkg. So
nothing here wants binfmt_misc, a loop device or a container. What is made lies in the cache under
the hash of its recipe: another recipe is another disk.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hw_tests.box import machine
from hw_tests.box.machine import BoxError, Image, first_boot
from package.sysroot import Apt, cache
from package.target import SUITES

SUITE = SUITES["bookworm"]
ARCH = "arm64"
DISK_MB = 1400

#: What a box has, beside what Debian calls essential.
_SYSTEM = (
    "systemd-sysv", "udev", "dbus", "kmod", "iproute2", "procps", "openssh-server", "apt",
    "systemd-timesyncd", "e2fsprogs", "dmsetup", "usr-is-merged",
)  # fmt: skip
#: Drivers that the rows ask for; what they need comes with them.
_MODULES = (
    "virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio_rng", "ext4",
    "crc32c_generic", "xhci_pci", "xhci_hcd", "ftdi_sio", "ch341", "cp210x", "pl2303", "rtc-pl031",
    "sch_netem", "sch_tbf", "sch_ingress", "act_mirred", "cls_matchall", "ifb", "dummy", "veth",
    "dm_mod", "dm_flakey", "loop", "ipv6",
)  # fmt: skip
#: Of these the first stage mounts the disk.
_EARLY_MODULES = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic")

_INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
for module in $(/bin/busybox cat /modules); do /bin/busybox insmod "$module"; done
until [ -b /dev/vda ]; do /bin/busybox usleep 10000; done
/bin/busybox mount -o ro -t ext4 /dev/vda /disk || /bin/busybox poweroff -f
/bin/busybox cat /proc/cmdline >/cmdline
/bin/busybox umount /proc
/bin/busybox mount --move /dev /disk/dev
for word in $(/bin/busybox cat /cmdline); do
  case $word in first=*) exec /bin/busybox switch_root /disk "${word#first=}" ;; esac
done
exec /bin/busybox switch_root /disk /sbin/init
"""
#: Done once, by the box itself. The last line is looked for on its console.
_CONFIGURE = """\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
set -e
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -o remount,rw /
dpkg --force-depends --configure base-passwd
dpkg --configure -a
systemctl enable ssh.service systemd-networkd.service
systemctl mask apt-daily.timer apt-daily-upgrade.timer
rm -f /first-boot /usr/sbin/policy-rc.d
sync
echo configured: ok
sync
poweroff -f
"""
_FILES = {
    "etc/hostname": "box\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 box\n",
    "etc/fstab": "/dev/vda / ext4 errors=remount-ro 0 1\n",
    "etc/systemd/network/10-eth.network": "[Match]\nName=en* eth*\n[Network]\nDHCP=ipv4\n",
    "etc/ssh/sshd_config.d/box.conf": "PermitRootLogin prohibit-password\nUseDNS no\n",
    "usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
}


def image() -> Image:
    """The disk with kernel and initramfs; made where it is not in the cache. Raises BoxError."""
    recipe = Path(__file__).read_bytes() + Path(machine.__file__).read_bytes()
    kept = cache() / "box" / hashlib.sha256(recipe).hexdigest()[:16]
    if not kept.exists():
        made = kept.with_name(f"{kept.name}.{os.getpid()}")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        _make(made)
        made.rename(kept)
    return Image(kept)


def _make(folder: Path) -> None:
    root = folder / "root"
    python = f"python{SUITE.python}"
    needed = ("?essential", *_SYSTEM, python, *SUITE.libraries, "libstdc++6")
    _unpack(Apt(SUITE, ARCH).fetch(needed), root)
    extra = folder / "kernel-packages"
    early = _kernel(Apt(SUITE, ARCH).fetch(("linux-image-arm64", "busybox-static")), root, extra)
    made = Image(folder)
    shutil.copyfile(extra / "kernel", made.kernel)
    _initramfs(made.initramfs, extra / "busybox", root, early)
    for name, text in {**_FILES, "first-boot": _CONFIGURE}.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for name in ("usr/sbin/policy-rc.d", "first-boot"):
        (root / name).chmod(0o755)
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "box", "-f", made.key)
    for kind in ("rsa", "ecdsa", "ed25519"):
        host = root / f"etc/ssh/ssh_host_{kind}_key"
        _run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "box", "-f", host)
    keys = root / "root" / ".ssh" / "authorized_keys"
    keys.parent.mkdir(mode=0o700)
    shutil.copyfile(made.key.with_suffix(".pub"), keys)
    for kind in ("passwd", "group"):
        shutil.copyfile(root / f"usr/share/base-passwd/{kind}.master", root / f"etc/{kind}")
    # Its files are root's in the box, whoever they belong to here.
    as_root = () if os.geteuid() == 0 else ("unshare", "--map-root-user")
    _run(*as_root, "mke2fs", "-q", "-t", "ext4", "-d", root, made.disk, f"{DISK_MB}M")
    said = first_boot(made, "/first-boot", folder / "first-boot.log")
    if "configured: ok" not in said:
        raise BoxError(f"dpkg did not configure the box, see {folder / 'first-boot.log'}")
    shutil.rmtree(root)
    shutil.rmtree(extra)


def _run(*command: str | Path, **options: Any) -> str:
    words = [str(word) for word in command]
    told: bytes = subprocess.run(words, check=True, capture_output=True, **options).stdout
    return told.decode()


def _unpack(packages: Sequence[Path], root: Path) -> None:
    """As dpkg leaves packages that it has unpacked and not configured yet."""
    for place in ("bin", "lib", "sbin"):
        (root / "usr" / place).mkdir(parents=True, exist_ok=True)
        (root / place).symlink_to(f"usr/{place}")
    info = root / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (info / "format").write_text("1\n")
    status = []
    for package in packages:
        tar = subprocess.run(
            ["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True
        ).stdout
        told = _run(
            "tar", "-xv", "--keep-directory-symlink", "--numeric-owner", "-p", "-C", root, input=tar
        )
        with tempfile.TemporaryDirectory() as control:
            _run("dpkg-deb", "--control", package, control)
            fields = (Path(control) / "control").read_text(encoding="utf-8")
            status.append(_unpacked(fields))
            name = _field(fields, "Package")
            if _field(fields, "Multi-Arch") == "same":
                name += f":{ARCH}"
            for file in Path(control).iterdir():
                if file.name != "control":
                    shutil.copy(file, info / f"{name}.{file.name}")
            (info / f"{name}.list").write_text(_listed(told))
    (info.parent / "status").write_text("\n".join(status), encoding="utf-8")
    (info.parent / "available").touch()


def _field(fields: str, name: str) -> str:
    found = re.search(rf"(?m)^{name}: (.*)$", fields)
    return found.group(1).strip() if found else ""


def _unpacked(fields: str) -> str:
    first, _, rest = fields.strip().partition("\n")
    return f"{first}\nStatus: install ok unpacked\n{rest}\n"


def _listed(told: str) -> str:
    names = [line.removeprefix(".").rstrip("/") for line in told.splitlines()]
    return "".join(f"{name or '/.'}\n" for name in names)


def _kernel(packages: Sequence[Path], root: Path, folder: Path) -> list[str]:
    """The kernel, busybox, and the modules that are asked for; which are early, in order."""
    folder.mkdir()
    for name, start in (("kernel", "linux-image-6"), ("busybox", "busybox-static_")):
        (package,) = [file for file in packages if file.name.startswith(start)]
        _run("dpkg-deb", "-x", package, folder / f"{name}-tree")
    (kernel,) = (folder / "kernel-tree/boot").glob("vmlinuz-*")
    shutil.copyfile(kernel, folder / "kernel")
    (busybox,) = (folder / "busybox-tree").glob("*/busybox")
    shutil.copy(busybox, folder / "busybox")
    version = kernel.name.removeprefix("vmlinuz-")
    tree = folder / "kernel-tree"
    _run("depmod", "-b", tree, version)

    def needs(modules: Sequence[str]) -> list[str]:
        told = _run("modprobe", "-d", tree, "-S", version, "--show-depends", "-a", *modules)
        files = [line.split()[1] for line in told.splitlines() if line.startswith("insmod")]
        return [str(Path(file).relative_to(tree)) for file in dict.fromkeys(files)]

    for file in needs(_MODULES):
        to = root / "usr" / file
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tree / file, to)
    for name in ("modules.builtin", "modules.order", "modules.builtin.modinfo"):
        shutil.copy(tree / f"lib/modules/{version}" / name, root / f"usr/lib/modules/{version}")
    _run("depmod", "-b", root, version)
    return needs(_EARLY_MODULES)


def _initramfs(made: Path, busybox: Path, root: Path, early: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for place in ("bin", "dev", "proc", "disk"):
            (tree / place).mkdir()
        shutil.copy(busybox, tree / "bin/busybox")
        (tree / "init").write_text(_INIT)
        (tree / "init").chmod(0o755)
        for file in early:
            shutil.copyfile(root / "usr" / file, tree / Path(file).name)
        (tree / "modules").write_text("".join(f"/{Path(file).name}\n" for file in early))
        names = "".join(f"{file.relative_to(tree)}\n" for file in sorted(tree.rglob("*")))
        packed = subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc"],
            input=names.encode(),
            cwd=tree,
            check=True,
            capture_output=True,
        ).stdout
    made.write_bytes(packed)


if __name__ == "__main__":
    sys.stdout.write(f"{image().disk.parent}\n")
