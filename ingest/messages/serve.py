"""Texts about: `jiahe-ingest serve`: its options, its log, and why a peer is not taken."""

from usage import Words

TABLE = {
    "ready": Words(
        "jiahe-ingest：正在监听 {address}（{how}），数据库 {store}",
        "jiahe-ingest: listening on {address} ({how}), store {store}",
    ),
    "mutual_tls": Words("双向 TLS", "mutual TLS"),
    "plain_text": Words("不加密", "plain text"),
    "no_time": Words(
        "{text!r} 不是时间；写 2026-11-24、2026-11-24T08:00:00+08:00，或 1970 年以来的纳秒数",
        "{text!r} is no time; write 2026-11-24, 2026-11-24T08:00:00+08:00 or nanoseconds",
    ),
    "listen": Words(
        "--listen {address!r}：写成 地址:端口，例如 127.0.0.1:8443 或 [::]:8443",
        "--listen {address!r}: write HOST:PORT, e.g. 127.0.0.1:8443 or [::]:8443",
    ),
    "not_listened": Words(
        "不能监听 {address}：别的程序占着它（ss -ltnp），或者它不是本机的地址（ip address）",
        "{address} can't be listened on: another program has it (ss -ltnp), or the address is not"
        " of this machine (ip address)",
    ),
    "insecure_alone": Words(
        "写了 --insecure 就不写 --ca、--cert、--key",
        "--insecure goes without --ca, --cert and --key",
    ),
    "insecure_remote": Words(
        "--insecure 只允许本机地址，不能是 {host}：监听 127.0.0.1，或写 --ca、--cert、--key",
        "--insecure is for loopback addresses only, not {host}: listen on 127.0.0.1, or give --ca,"
        " --cert and --key",
    ),
    "no_files": Words(
        "写 --ca、--cert 和 --key（双向 TLS），或在本机地址上写 --insecure",
        "give --ca, --cert and --key (mutual TLS), or --insecure on a loopback address",
    ),
    "header_with_tls": Words(
        "--identity-header 用于终结 TLS 的代理后面：和 --insecure 一起写",
        "--identity-header is for a proxy that ends TLS: it goes with --insecure",
    ),
    "crl_without_tls": Words(
        "--crl 和 --ca、--cert、--key 一起写：前面有终结 TLS 的代理时，由代理挡住被吊销的证书",
        "--crl goes with --ca, --cert and --key: behind a proxy that ends TLS, the proxy keeps"
        " revoked certificates out",
    ),
    "keep": Words(
        "--keep {text!r}：写天数或大小，例如 400d 或 200GiB",
        "--keep {text!r}: write days or bytes, such as 400d or 200GiB",
    ),
    "keep_failed": Words("--keep：什么都没有删：{error}", "--keep: nothing was let go: {error}"),
    "few_streams": Words(
        "同时只能服务 {streams} 台网关：本进程最多打开 {limit} 个文件；把上限调高"
        "（systemd unit 里写 LimitNOFILE={wanted}），超出的会被告知等待",
        "{streams} boxes can be served at once: this process may open {limit} files; raise the"
        " limit (LimitNOFILE={wanted} in the systemd unit), others are told to wait",
    ),
    "told_to_wait": Words("{address}：已告知等待：{words}", "{address}: told to wait: {words}"),
    "refused": Words("{address}：已拒绝：{words}", "{address}: refused, {words}"),
    "hello": Words(
        "{address}：{gateway} 的 Hello，epoch {epoch}（{software}）",
        "{address}: Hello of {gateway}, epoch {epoch} ({software})",
    ),
    "hello_bound": Words(
        "{address}：{gateway} 的 Hello，epoch {epoch}（{software}）：已拒绝，"
        "这个编号绑定在 {other}",
        "{address}: Hello of {gateway}, epoch {epoch} ({software}): refused, its id is bound to"
        " {other}",
    ),
    "another_machine": Words(
        "{address}：{gateway} 换了机器；以前那台从 {other} 说话，已听不到",
        "{address}: {gateway} is another machine than before, which spoke from {other} and is not"
        " heard any more",
    ),
    "stream_ended": Words(
        "{address}：{gateway} 的流已结束，{code}：{detail}",
        "{address}: {gateway} ended, {code}: {detail}",
    ),
    "block_refused": Words(
        "{gateway}：epoch {epoch} 的数据块 {seq} 已拒收，{reason}：{detail}",
        "{gateway}: block {seq} of epoch {epoch} refused, {reason}: {detail}",
    ),
    "handshake": Words(
        "{address}：TLS 握手时已拒绝：{why}", "{address}: refused in its TLS handshake: {why}"
    ),
    "handshakes": Words(
        "一分钟内拒绝了 {count} 次握手：{why}",
        "{count} handshakes in a minute were refused: {why}",
    ),
    "other_name": Words(
        "有网关按名称 {name} 来连，接收端的证书上没有这个名称：它不会接受；"
        "让它的 [platform] address 写证书上的名称，或重签证书",
        "a box asks for the name {name}, which this receiver's certificate does not have, so it"
        " refuses it: write a name of the certificate in its [platform] address, or issue another",
    ),
    "peer_expired": Words("它的证书已过期；请更换", "its certificate has expired; renew it"),
    "peer_early": Words(
        "它的证书还没有生效；它的时钟对吗？",
        "its certificate is not valid yet; is its clock right?",
    ),
    "peer_unknown": Words(
        "它的证书不是 --ca 的机构签发的", "its certificate is of another authority than --ca"
    ),
    "peer_none": Words("它没有出示证书", "it showed no certificate"),
    "peer_plain": Words(
        "它说的不是 TLS（明文，或别的协议）",
        "it does not speak TLS (plain text, or something else)",
    ),
    "peer_http": Words("它说的是明文 HTTP，不是 TLS", "it speaks plain HTTP, not TLS"),
    "peer_distrusts": Words(
        "它不信任本接收端证书的签发机构",
        "it does not trust the authority of this receiver's certificate",
    ),
    "peer_finds_expired": Words(
        "它认为本接收端的证书已过期", "it finds this receiver's certificate expired"
    ),
    "peer_finds_bad": Words("它拒绝本接收端的证书", "it refuses this receiver's certificate"),
}
