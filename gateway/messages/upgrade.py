"""Texts of `jiahe upgrade`: why a bundle is refused, and how an upgrade went."""

from drivers.words import Message

TABLE = {
    "upgrade.needs_root": Message(
        "升级需要 root", "an upgrade needs root", "前面加 sudo", "Put sudo in front"
    ),
    "upgrade.never": Message(
        "这台网关还没有用 jiahe upgrade 升级过", "no upgrade was made here yet"
    ),
    "upgrade.begun": Message(
        "已验证。{old} → {new}：安装后观察 120 秒，不正常就装回旧版本。可以断开终端，升级会继续；"
        "结果：sudo jiahe upgrade",
        "verified. {old} → {new}: installed, watched for 120 s, and put back unless it is well. "
        "The terminal may be closed; how it went: sudo jiahe upgrade",
    ),
    "upgrade.under_way": Message("正在升级：{old} → {new}", "under way: {old} → {new}"),
    "upgrade.confirmed": Message("升级成功：{old} → {new}", "upgraded: {old} → {new}"),
    "upgrade.undone": Message(
        "{new} 不正常，已装回 {old}：{why}", "{new} was not well, {old} is back: {why}"
    ),
    "upgrade.stuck": Message(
        "{new} 不正常（{why}），也没能装回 {old}；旧软件包在 /var/lib/jiahe-upgrade/old.deb",
        "{new} was not well ({why}), and {old} could not be put back; its package is "
        "/var/lib/jiahe-upgrade/old.deb",
    ),
    "upgrade.not_installed": Message("dpkg 没有装上", "dpkg did not install it"),
    "upgrade.cut_short": Message(
        "观察三次都被断电或重启打断", "three times a power cut or restart cut its watch short"
    ),
    "upgrade.silent": Message("守护进程没有应答", "its daemon does not answer"),
    "upgrade.restarts": Message("守护进程反复重启", "its daemon starts again and again"),
    "upgrade.not_scanning": Message("没有采集", "it does not scan"),
    "upgrade.not_writing": Message("缓存写不了", "its buffer can't write"),
    "upgrade.not_acknowledged": Message(
        "平台没有确认，而以前有", "the platform acknowledges nothing, and did before"
    ),
    "upgrade.no_bundle": Message(
        "{file} 不是升级包", "{file} is no upgrade bundle", "重新下载或拷贝", "Copy it again"
    ),
    "upgrade.no_keys": Message(
        "这台网关不知道谁的签名有效：没有 {keys}",
        "this box knows nobody's signature: there is no {keys}",
        "把发布方给的文件放到那里：sudo install -m 644 upgrade-keys {keys}",
        "Put the file of those who publish there: sudo install -m 644 upgrade-keys {keys}",
    ),
    "upgrade.no_ssh_keygen": Message(
        "没有 ssh-keygen，不能验证签名",
        "there is no ssh-keygen to verify the signature with",
        "sudo apt-get install openssh-client",
        "sudo apt-get install openssh-client",
    ),
    "upgrade.unsigned": Message(
        "升级包没有签名", "the bundle is not signed", "用发布方的升级包", "Take the publisher's"
    ),
    "upgrade.wrong_signature": Message(
        "签名不对：{detail}",
        "the signature is not one of ours: {detail}",
        "用发布方的升级包；换过密钥的话，更新 {keys}",
        "Take the publisher's bundle; if they changed their key, renew {keys}",
    ),
    "upgrade.damaged": Message(
        "升级包里的 {file} 损坏或被换过",
        "{file} in the bundle is damaged, or another one",
        "重新拷贝",
        "Copy it again",
    ),
    "upgrade.wrong_box": Message(
        "升级包是 {name} {arch} 的，这台网关要 jiahe {own} 的",
        "the bundle is for {name} {arch}, this box wants jiahe {own}",
        "用 {own} 的升级包",
        "Take the one for {own}",
    ),
    "upgrade.no_package": Message(
        "jiahe 不是用软件包安装的，不能这样升级",
        "jiahe was not installed from its package, so it can't be upgraded like that",
        "先安装软件包：解开升级包，sudo sh install.sh",
        "Install the package first: unpack the bundle, sudo sh install.sh",
    ),
    "upgrade.not_newer": Message(
        "{new} 不比已安装的 {old} 新",
        "{new} is not newer than {old}, which is installed",
        "确实要换成它：加 --downgrade",
        "If that is meant: --downgrade",
    ),
    "upgrade.other": Message(
        "另一次升级还在进行",
        "another upgrade is under way",
        "查看：sudo jiahe upgrade，journalctl -u jiahe-upgrade",
        "See sudo jiahe upgrade, journalctl -u jiahe-upgrade",
    ),
    "upgrade.no_room": Message(
        "/var/lib 剩余空间不到 {needed} MB", "less than {needed} MB are free in /var/lib",
        "腾出空间再试", "Make room, then try again",
    ),
    "upgrade.not_begun": Message(
        "升级没有开始：{detail}", "the upgrade was not begun: {detail}",
        "已安装的版本没有变", "What is installed is as it was",
    ),
    "upgrade.unit_failed": Message(
        "升级程序出错", "the upgrade's own unit failed",
        "查看：journalctl -u jiahe-upgrade", "See journalctl -u jiahe-upgrade",
    ),
}  # fmt: skip
