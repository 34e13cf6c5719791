"""What `jiahe-ingest --help` says, in Chinese and in English.

In a table of its own: the receiver shares nothing but the protocol with the gateway.
"""

from __future__ import annotations

from usage import Words

HELP = {
    "description": Words("嘉禾网关的接收端", "Jiahe's platform receiver"),
    "commands": Words("命令", "commands"),
    "command": Words("命令", "COMMAND"),
    "serve": Words("接收网关的数据", "receive from gateways"),
    "export": Words("导出收到的数据，一行一个值", "what arrived, as rows"),
    "audit": Words("对账：收到了什么，公告缺了什么", "what arrived, what is announced as missing"),
    "store": Words("数据库：sqlite:文件路径", "sqlite:PATH"),
    "listen": Words(
        "监听的 地址:端口，例如 127.0.0.1:8443；端口 0：任意空闲的",
        "HOST:PORT, such as 127.0.0.1:8443; port 0: any",
    ),
    "ca": Words("签发网关证书的机构（PEM）", "PEM of the CA that signed the gateways"),
    "cert": Words("接收端的证书（PEM）", "PEM of the receiver's certificate"),
    "key": Words("它的私钥（PEM）", "PEM of its private key"),
    "crl": Words(
        "吊销了哪些网关证书（PEM 格式的 CRL，由 --ca 的机构签发）",
        "PEM of the CRLs of --ca: gateways' certificates that were revoked",
    ),
    "insecure": Words("不加密，只允许本机地址", "plain text, on loopback only"),
    "ready_json": Words("开始监听时说一行 JSON", "say that it listens as JSON"),
    "gateway": Words("只要这个网关", "only this gateway"),
    "device": Words("只要这台设备", "only this device"),
    "tag": Words("只要这个标签", "only this tag"),
    "from": Words("从这个时间起，例如 2026-11-24T08:00:00+08:00", "at or after"),
    "to": Words("到这个时间之前", "before"),
    "format": Words("输出格式（默认 csv）", "of the rows (default csv)"),
    "by": Words("按网关、设备和日给出完整率", "completeness a gateway, device and day"),
    "expect": Words("每天至少要完整百分之几，否则以状态 1 退出", "percent that a day must reach"),
    "excel": Words("会被表格软件当作公式的文字前加撇号", "mark what looks like a formula"),
    "gateways": Words("有哪些网关，各自怎样", "who is there, and how it is"),
    "latest": Words("每个标签最新的值", "the newest value of each tag"),
    "import": Words("收进 jiahe buffer export 导出的文件", "take a file of jiahe buffer export"),
    "file": Words("导出的文件", "the exported file"),
    "backup": Words("备份数据库，接收端可以照常运行", "copy the store, while it is served"),
    "target": Words("备份写到哪个文件", "the file to write"),
    "identity_header": Words(
        "前面有终结 TLS 的代理：它把网关编号写在这个请求头里",
        "of a proxy that ends TLS: the header with the gateway's id",
    ),
    "keep": Words(
        "数据只留这么久或这么多，例如 400d、200GiB；可写两次；名字和账目总是留着",
        "such as 400d or 200GiB: older values are let go, names and books never",
    ),
    "json": Words("输出一份 JSON", "one JSON document"),
}


def cleaned(text: str) -> str:
    """A box's text as it may stand on a terminal or in a log: what can't be printed as \\xNN."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def words(key: str, lang: str) -> str:
    return HELP[key].said(lang)
